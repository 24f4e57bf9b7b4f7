//! To end connections by hand.

use std::future::pending;

use hangup::CloseReason;
use http::StatusCode;
use serde_json::json;

use crate::world::{World, json as read};

#[tokio::test]
async fn one_is_ended_and_the_others_stay() {
    let world = World::new();
    let (ada, other) = (world.open("ada", "a"), world.open("other", "a"));
    let form = format!("token={}&id={}", world.token().await, ada.id());
    let answer = world.post("/end", &form).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(read(answer).await, json!({ "ended": 1 }));
    let end = ada.handle().end().unwrap();
    assert_eq!(end.reason(), CloseReason::App(0));
    assert_eq!(end.words.as_deref(), Some("ended in the console"));
    assert_eq!(other.handle().end(), None);
    // It has settled.
    let answer = world.post("/end", &form).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_that_has_closed_and_not_settled_is_not_ended_again() {
    let world = World::with(
        |scope| scope,
        |console| console.allow(|_| true).end_as(CloseReason::App(9)),
    );
    let mut setup = world.scope.open().unwrap().register().unwrap();
    setup.on_close_async("leave", pending::<()>).unwrap();
    let live = setup.go_live().unwrap();
    let form = format!("token={}&id={}", world.token().await, live.id());
    assert_eq!(world.post("/end", &form).await.status(), StatusCode::OK);
    assert_eq!(live.handle().end().unwrap().reason(), CloseReason::App(9));
    let answer = world.post("/end", &form).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let answer = read(answer).await;
    assert_eq!(
        (&answer["code"], &answer["error"]),
        (
            &json!("already_closed"),
            &json!("connection closed while live: app(9)")
        )
    );
}

#[tokio::test]
async fn all_under_a_key_are_ended_and_no_others() {
    let world = World::new();
    // More than are looked at without a pause.
    let lives: Vec<_> = (0..3_000)
        .map(|number| world.open("ada", &format!("k{}", number / 6)))
        .collect();
    let token = world.token().await;
    let form = format!("token={token}&registry=workers&key=%22k100%22");
    let answer = world.post("/end-key", &form).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(read(answer).await, json!({ "ended": 6 }));
    for (number, live) in lives.iter().enumerate() {
        assert_eq!(live.handle().end().is_some(), number / 6 == 100, "{number}");
    }
    let answer = world.post("/end-key", &form).await;
    assert_eq!(
        (answer.status(), read(answer).await["code"].clone()),
        (StatusCode::NOT_FOUND, json!("no_holder"))
    );
}

//! The resource counts what a client sends it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::Resource;
use crate::http::send;
use crate::resource::{Counts, Told};

const SOON: Duration = Duration::from_secs(20);

async fn post(resource: &Resource, path: &str) -> (u16, Value) {
    let answer = send(resource.addr(), "POST", path, &[], "").await.unwrap();
    let status = answer.status.as_u16();
    let body = answer.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn an_overlap_a_late_write_and_a_late_undo_are_counted() {
    let resource = Resource::start().await.unwrap();
    let entered = "/enter?key=w%2F1&epoch=4&owner=a%2F1&predecessor=settled";
    assert_eq!(post(&resource, entered).await.0, 200);
    let entered = "/enter?key=w%2F1&epoch=9&owner=b%2F1&predecessor=settled";
    assert_eq!(post(&resource, entered).await.0, 200);
    for path in ["/write?key=w%2F1&epoch=4", "/leave?key=w%2F1&epoch=4"] {
        assert_eq!(post(&resource, path).await, (409, json!({ "highest": 9 })));
    }
    let expected = Counts {
        entered: 2,
        overlaps: 1,
        late_writes: 1,
        late_undos: 1,
        ..Counts::default()
    };
    assert_eq!(resource.counts(), expected);
    let last = resource.judge().last("w/1").cloned().unwrap();
    assert_eq!((&last.owner[..], last.epoch), ("b/1", 9));
    assert_eq!(last.predecessor, Told::Settled);

    let answer = send(resource.addr(), "GET", "/counts", &[], "")
        .await
        .unwrap();
    let counts: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(counts["overlaps"], 1);
    assert_eq!(counts["inside"], json!({ "w/1": [9] }));
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let resource = Resource::start().await.unwrap();
    for path in [
        "/write?key=k",
        "/write?epoch=1",
        "/write?key=k&epoch=x",
        "/enter?key=k&epoch=1&owner=a&predecessor=maybe",
        "/leave?key=k&epoch=1&take_ms=x",
    ] {
        assert_eq!(post(&resource, path).await.0, 400, "{path}");
    }
    assert_eq!(post(&resource, "/").await.0, 404);
    assert_eq!(resource.counts(), Counts::default());
}

#[tokio::test]
async fn an_owner_is_inside_until_its_undo_has_ended() {
    let resource = Arc::new(Resource::start().await.unwrap());
    post(
        &resource,
        "/enter?key=k&epoch=1&owner=a&predecessor=settled",
    )
    .await;
    let leaving = Arc::clone(&resource);
    let leaving =
        tokio::spawn(async move { post(&leaving, "/leave?key=k&epoch=1&take_ms=300").await });
    assert!(resource.judge().is_inside("k"));
    assert!(resource.until(SOON, |judge| !judge.is_inside("k")).await);
    assert_eq!(resource.counts().undos, 1);
    assert_eq!(leaving.await.unwrap().0, 200);
    post(
        &resource,
        "/enter?key=k&epoch=2&owner=b&predecessor=settled",
    )
    .await;
    assert_eq!(resource.counts().overlaps, 0);
}

#[tokio::test]
async fn an_undo_that_is_given_up_has_not_left() {
    let resource = Resource::start().await.unwrap();
    post(
        &resource,
        "/enter?key=k&epoch=1&owner=a&predecessor=settled",
    )
    .await;
    let leave = post(&resource, "/leave?key=k&epoch=1&take_ms=60000");
    assert!(timeout(Duration::from_millis(100), leave).await.is_err());
    post(
        &resource,
        "/enter?key=k&epoch=2&owner=b&predecessor=unsettled",
    )
    .await;
    assert_eq!(resource.counts().overlaps_told, 1);
    assert_eq!(resource.counts().undos, 0);
}

#[tokio::test]
async fn a_condition_is_waited_for_until_its_deadline() {
    let resource = Resource::start().await.unwrap();
    let never = |_: &super::Judge| false;
    assert!(!resource.until(Duration::from_millis(10), never).await);
}

//! Closed, unless the application lets a request in.

use axum::body::Body;
use http::header::COOKIE;
use http::{Request, StatusCode};

use crate::world::{World, json};

const ROUTES: [(&str, &str); 8] = [
    ("GET", "/"),
    ("GET", "/events"),
    ("GET", "/events?page=0"),
    ("POST", "/end"),
    ("POST", "/end-key"),
    ("DELETE", "/"),
    ("GET", "/nothing"),
    ("POST", "/events"),
];

#[tokio::test]
async fn without_allow_every_request_is_refused() {
    let world = World::with(|scope| scope, |console| console);
    for (method, path) in ROUTES {
        let request = Request::builder().method(method).uri(path);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(json(answer).await["code"], "not_allowed");
    }
    assert_eq!(world.console.streams().stats(), Default::default());
}

#[tokio::test]
async fn what_the_application_lets_in_is_decided_by_the_head() {
    let is_known = |head: &http::request::Parts| {
        let cookie = head.headers.get(COOKIE);
        cookie.is_some_and(|cookie| cookie == "session=7") && head.uri.path() != "/end"
    };
    let world = World::with(|scope| scope, |console| console.allow(is_known));
    for (cookie, path, status) in [
        ("session=7", "/", StatusCode::OK),
        ("session=7", "/events", StatusCode::OK),
        ("session=7", "/end", StatusCode::FORBIDDEN),
        ("session=8", "/", StatusCode::FORBIDDEN),
        ("session=8", "/events", StatusCode::FORBIDDEN),
    ] {
        let request = Request::get(path).header(COOKIE, cookie);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), status, "{cookie} {path}");
    }
}

#[tokio::test]
async fn who_may_look_need_not_be_allowed_to_end() {
    let world = World::with(
        |scope| scope,
        |console| console.allow(|_| true).allow_end(|_| false),
    );
    let live = world.open("ada", "a");
    let hello = world.events("").await.next("hello").await;
    assert_eq!(hello["may_end"], false);
    let token = hello["token"].as_str().unwrap();
    for (path, form) in [
        ("/end", format!("token={token}&id={}", live.id())),
        (
            "/end-key",
            format!("token={token}&registry=workers&key=%22a%22"),
        ),
    ] {
        let answer = world.post(path, &form).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(json(answer).await["code"], "not_allowed");
    }
    assert_eq!(live.handle().end(), None);
}

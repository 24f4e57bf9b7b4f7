//! Many requests of all kinds.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hangup::Scope;
use hangup::layer::{Admit, asks_for_stream};
use http_body_util::BodyExt;

use crate::world::{events, grpc, open, quiet, request, sse, through};

/// What is no stream is the same with the layer as without it; the cap is exact, and nothing is
/// left.
#[tokio::test]
async fn ten_thousand_mixed_requests() {
    type Kind = (fn() -> Request, fn() -> Response);
    const CAP: usize = 100;
    let scope = Scope::builder().max_connections(CAP).build();
    let kinds: [Kind; 7] = [
        (
            || request("GET", &[("accept", "application/json")]),
            || {
                let response = Response::builder().header("x-kept", "yes");
                response.body(Body::from(r#"{"a":1}"#)).unwrap()
            },
        ),
        (sse, events),
        (grpc, || quiet("application/grpc", "message")),
        (sse, || {
            let response = Response::builder().status(500);
            response.body(Body::from("broken")).unwrap()
        }),
        (
            || request("HEAD", &[("accept", "text/event-stream")]),
            || Response::new(Body::empty()),
        ),
        (
            || {
                request(
                    "GET",
                    &[("upgrade", "websocket"), ("connection", "upgrade")],
                )
            },
            || Response::builder().status(101).body(Body::empty()).unwrap(),
        ),
        (
            || request("POST", &[]),
            || Response::new(Body::from("x".repeat(100_000))),
        ),
    ];
    let admit = Admit::new(scope.clone());
    let mut kept = Vec::new();
    let mut refused = 0;
    for turn in 0..10_000 {
        let (request, answer) = kinds[turn * 31 % kinds.len()];
        let is_stream = asks_for_stream(&request().into_parts().0);
        let full = open(&scope) == CAP;
        let mut given = through(&admit, request(), answer).await;
        assert!(open(&scope) <= CAP);
        if full && is_stream {
            let is_refused = given.status() == 503 || given.headers().contains_key("grpc-status");
            assert!(is_refused, "{given:?}");
            refused += 1;
        } else if scope.stats().live > kept.len() {
            kept.push(given);
        } else {
            let plain = answer();
            assert_eq!(given.status(), plain.status());
            assert_eq!(given.headers(), plain.headers());
            let expected = plain.into_body().collect().await.unwrap().to_bytes();
            let got = given.body_mut().collect().await.unwrap().to_bytes();
            assert_eq!(got, expected);
        }
        if turn % 700 == 699 {
            kept.drain(..kept.len() / 2);
        }
    }
    assert!(refused > 100, "{refused}");
    kept.clear();
    assert_eq!(open(&scope), 0);
    let refusals = usize::try_from(scope.stats().refused_full).unwrap();
    assert_eq!(refusals, refused);
}

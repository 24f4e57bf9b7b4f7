//! Which requests are admitted, and what the others are answered.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hangup::layer::{Admit, Admitted, asks_for_stream};
use hangup::{CloseReason, Scope};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{EVENT, events, frame, grpc, open, quiet, request, sse, through};

#[tokio::test]
async fn a_refusal_has_the_form_of_its_protocol() {
    let scope = Scope::new();
    scope.begin_drain();
    let admit = Admit::new(scope);

    let mut answer = through(&admit, sse(), || unreachable!("refused")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        frame(&mut answer).await.unwrap(),
        "the server is draining\n"
    );

    let answer = through(&admit, grpc(), || unreachable!("refused")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(answer.headers()["grpc-message"], "the server is draining");
    assert!(http_body::Body::is_end_stream(answer.body()));

    let browser = [("accept", "text/event-stream"), ("sec-fetch-mode", "cors")];
    let browser = request("GET", &browser);
    let mut answer = through(&admit, browser, || unreachable!("refused")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(frame(&mut answer).await.unwrap(), "retry: 1000\n\n");
    assert!(frame(&mut answer).await.is_none());
}

#[tokio::test]
async fn what_asks_for_no_stream_takes_part_in_nothing() {
    let scope = Scope::builder().max_connections(1).build();
    let admit = Admit::new(scope.clone());
    let _full = scope.open().unwrap();
    let document = || Response::new(Body::from("{}"));
    let answer = through(&admit, request("GET", &[]), document).await;
    assert_eq!(answer.status(), 200);
    let head = request("HEAD", &[("accept", "text/event-stream")]);
    let answer = through(&admit, head, events).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(scope.stats().refused_full, 0);
}

#[tokio::test]
async fn a_stream_that_was_not_asked_for_is_admitted_when_it_is_seen() {
    let scope = Scope::builder().max_connections(1).build();
    let admit = Admit::new(scope.clone());
    let curl = || request("GET", &[("accept", "*/*")]);
    let mut answer = through(&admit, curl(), events).await;
    assert_eq!(scope.stats().live, 1);
    let refused = through(&admit, curl(), events).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(frame(&mut answer).await.unwrap(), EVENT);
    scope.close_all(CloseReason::Idle);
    let goodbye = frame(&mut answer).await.unwrap();
    assert_eq!(goodbye, "event: closed\ndata: idle\n\n");
    assert!(frame(&mut answer).await.is_none());
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn a_route_that_always_streams_admits_all_but_heads_and_options() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone()).always();
    let head = request("HEAD", &[("accept", "text/event-stream")]);
    for (request, expected) in [
        (request("GET", &[("accept", "*/*")]), 1),
        (request("POST", &[]), 1),
        (head, 0),
        (request("OPTIONS", &[]), 0),
    ] {
        let handler = service_fn(|request: Request| {
            let mut answer = events();
            let admitted = request.extensions().get::<Admitted>().is_some();
            let headers = answer.headers_mut();
            headers.insert("x-admitted", usize::from(admitted).into());
            ready(Ok::<_, Infallible>(answer))
        });
        let answer = admit.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["x-admitted"], expected.to_string());
        assert_eq!(scope.stats().live, expected);
    }
}

#[tokio::test]
async fn a_client_that_accepts_events_among_others_is_refused_before_only_by_a_drain() {
    let scope = Scope::builder().max_connections(1).build();
    let admit = Admit::new(scope.clone());
    let mcp = || request("POST", &[("accept", "application/json, text/event-stream")]);
    let document = || Response::new(Body::from("{}"));
    let stream = through(&admit, mcp(), events).await;
    assert_eq!(scope.stats().live, 1);
    // What does not stream needs no place.
    assert_eq!(through(&admit, mcp(), document).await.status(), 200);
    assert_eq!(through(&admit, mcp(), events).await.status(), 503);
    scope.begin_drain();
    let refused = through(&admit, mcp(), || unreachable!("refused")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(stream);
}

#[tokio::test]
async fn an_answer_that_does_not_stream_lets_go() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone());
    let document = || Response::new(Body::from("{}"));
    let mut answer = through(&admit, sse(), document).await;
    assert_eq!(open(&scope), 0);
    assert_eq!(frame(&mut answer).await.unwrap(), "{}");
    let failed = || {
        let mut response = quiet("application/grpc", "");
        let headers = response.headers_mut();
        headers.insert("grpc-status", "5".parse().unwrap());
        response
    };
    let answer = through(&admit, grpc(), failed).await;
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert_eq!(open(&scope), 0);
    assert_eq!(scope.stats().closed_as(CloseReason::Completed), 2);
}

#[tokio::test]
async fn a_predicate_decides_alone() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone());
    let admit = admit.when(|head| asks_for_stream(head) || head.uri.path() == "/");
    let unknown = || quiet("application/octet-stream", "bytes");
    let mut answer = through(&admit, request("GET", &[]), unknown).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "bytes");
    assert_eq!(scope.stats().live, 1);
    scope.close_all(CloseReason::Shutdown);
    // What a goodbye looks like here is not known.
    assert!(frame(&mut answer).await.is_none());
    let admit = admit.when(|_| false);
    let _answer = through(&admit, sse(), events).await;
    assert_eq!(open(&scope), 0);
}

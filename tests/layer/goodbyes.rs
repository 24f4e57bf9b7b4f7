//! What a stream says through the layer, and how it ends.

use std::time::Duration;

use axum::response::Response;
use hangup::layer::Admit;
use hangup::topic::SseEvent;
use hangup::{CloseReason, Scope};

use crate::world::{EVENT, events, frame, grpc, open, quiet, request, sse, through};

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_beats_and_says_goodbye() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone()).heartbeat(Duration::from_secs(15));
    let mut answer = through(&admit, sse(), events).await;
    assert_eq!(scope.stats().live, 1);
    assert_eq!(frame(&mut answer).await.unwrap(), EVENT);
    assert_eq!(frame(&mut answer).await.unwrap(), ":\n\n");
    scope.close_all(CloseReason::Superseded);
    let goodbye = frame(&mut answer).await.unwrap();
    assert_eq!(goodbye, "event: closed\ndata: superseded\n\n");
    assert!(frame(&mut answer).await.is_none());
    assert_eq!(open(&scope), 0);
}

#[tokio::test(start_paused = true)]
async fn the_clients_of_a_shutdown_come_back_at_different_times() {
    let scope = Scope::new();
    let mut answer = through(&Admit::new(scope.clone()), sse(), events).await;
    assert_eq!(frame(&mut answer).await.unwrap(), EVENT);
    scope.close_all(CloseReason::Shutdown);
    let goodbye = frame(&mut answer).await.unwrap();
    let retry = goodbye.strip_prefix("event: closed\ndata: shutdown\nretry: ");
    let retry: u64 = retry.unwrap().trim().parse().unwrap();
    assert!((1000..=5000).contains(&retry), "{retry}");
}

#[tokio::test(start_paused = true)]
async fn half_an_event_is_not_completed_by_the_goodbye() {
    let scope = Scope::new();
    let half = || quiet("text/event-stream", "data: hel");
    let mut answer = through(&Admit::new(scope.clone()), sse(), half).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "data: hel");
    scope.close_all(CloseReason::Shutdown);
    assert!(frame(&mut answer).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_compressed_or_has_a_length_is_left_as_it_is() {
    fn with(name: &'static str, value: &str) -> Response {
        let mut response = events();
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    }
    let answers: [fn() -> Response; 2] = [
        || with("content-encoding", "gzip"),
        || with("content-length", "99"),
    ];
    for answer in answers {
        let scope = Scope::new();
        let admit = Admit::new(scope.clone()).heartbeat(Duration::from_secs(15));
        let mut answer = through(&admit, sse(), answer).await;
        assert_eq!(frame(&mut answer).await.unwrap(), EVENT);
        let mut beat = tokio_test::task::spawn(frame(&mut answer));
        tokio_test::assert_pending!(beat.poll());
        tokio::time::advance(Duration::from_secs(60)).await;
        tokio_test::assert_pending!(beat.poll());
        scope.close_all(CloseReason::Shutdown);
        assert!(beat.await.is_none());
    }
}

#[tokio::test]
async fn a_call_of_grpc_ends_with_its_status() {
    let scope = Scope::new();
    let call = || quiet("application/grpc", "message");
    let mut answer = through(&Admit::new(scope.clone()), grpc(), call).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "message");
    scope.close_all(CloseReason::Shutdown);
    let trailers = frame(&mut answer).await.unwrap();
    assert!(trailers.contains(r#""grpc-status": "14""#), "{trailers}");
    assert!(
        trailers.contains("closed while live: shutdown"),
        "{trailers}"
    );
    assert!(frame(&mut answer).await.is_none());
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn what_is_ready_is_flushed_before_a_goodbye_of_ones_own() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone()).flush(1);
    let admit = admit.farewell(|end| Some(SseEvent::new("bye").data(&end.reason().to_string())));
    let mut answer = through(&admit, sse(), events).await;
    scope.close_all(CloseReason::Idle);
    assert_eq!(frame(&mut answer).await.unwrap(), EVENT);
    let goodbye = frame(&mut answer).await.unwrap();
    assert_eq!(goodbye, "event: bye\ndata: idle\n\n");
    // Without a flush what is ready is not sent, and a goodbye may be none.
    let admit = Admit::new(scope.clone()).farewell(|_| None);
    let mut answer = through(&admit, sse(), events).await;
    scope.close_all(CloseReason::Idle);
    assert!(frame(&mut answer).await.is_none());
}

#[test]
fn heartbeats_without_a_runtime_are_refused() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone()).heartbeat(Duration::from_secs(15));
    for request in [sse(), request("GET", &[])] {
        let answer = futures::executor::block_on(through(&admit, request, events));
        assert_eq!(answer.status(), 500);
        assert_eq!(open(&scope), 0);
    }
}

//! What happens before the handler has answered.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use hangup::layer::{Admit, AdmitService, Admitted};
use hangup::{CloseReason, Scope};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::world::{Answer, events, frame, grpc, open, quiet, request, sse, through};

/// The answer to a request whose connection is closed by a drain before its handler has answered.
async fn closed_before_the_answer(request: Request, answer: fn() -> Response) -> Answer {
    let scope = Scope::new();
    let goes_on = Arc::new(tokio::sync::Notify::new());
    let handler = service_fn({
        let goes_on = Arc::clone(&goes_on);
        move |_: Request| {
            let goes_on = Arc::clone(&goes_on);
            async move {
                goes_on.notified().await;
                Ok::<_, Infallible>(answer())
            }
        }
    });
    let service = Admit::new(scope.clone()).layer(handler);
    let mut call = tokio_test::task::spawn(service.oneshot(request));
    tokio_test::assert_pending!(call.poll());
    let drained = scope.drain_after(ready(()), Duration::from_secs(9));
    let mut drained = tokio_test::task::spawn(drained);
    tokio_test::assert_pending!(drained.poll());
    tokio_test::assert_pending!(call.poll());
    goes_on.notify_one();
    let answer = call.await.unwrap();
    drained.await;
    assert_eq!(open(&scope), 0);
    answer
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_call_that_may_have_changed_something() {
    // What has one answer is answered.
    let unary = || {
        let status = HeaderName::from_static("grpc-status");
        let trailers = HeaderMap::from_iter([(status, 0.into())]);
        let frames = [
            Frame::data(Bytes::from("message")),
            Frame::trailers(trailers),
        ];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        let response = Response::builder().header("content-type", "application/grpc");
        response.body(Body::new(body)).unwrap()
    };
    let mut answer = closed_before_the_answer(grpc(), unary).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "message");
    let trailers = frame(&mut answer).await.unwrap();
    assert!(trailers.contains(r#""grpc-status": "0""#), "{trailers}");
    assert!(frame(&mut answer).await.is_none());

    // A stream ends after what it has ready, and says why.
    let streams = || quiet("application/grpc", "message");
    let mut answer = closed_before_the_answer(grpc(), streams).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "message");
    let trailers = frame(&mut answer).await.unwrap();
    assert!(trailers.contains(r#""grpc-status": "14""#), "{trailers}");
    assert!(frame(&mut answer).await.is_none());

    // A document goes out, and a stream of events does not begin.
    let post = || request("POST", &[("accept", "text/event-stream")]);
    let document = || Response::new(Body::from("{}"));
    let mut answer = closed_before_the_answer(post(), document).await;
    assert_eq!(frame(&mut answer).await.unwrap(), "{}");
    let answer = closed_before_the_answer(post(), events).await;
    assert_eq!(answer.status(), 503);
}

#[tokio::test]
async fn the_client_vanishes_before_and_after_the_answer() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone());
    let hangs = service_fn(|_: Request| pending::<Result<Response, Infallible>>());
    let mut call = tokio_test::task::spawn(admit.layer(hangs).oneshot(sse()));
    tokio_test::assert_pending!(call.poll());
    assert_eq!(scope.stats().registering, 1);
    drop(call);
    assert_eq!(open(&scope), 0);
    drop(through(&admit, sse(), events).await);
    assert_eq!(open(&scope), 0);
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 2);
}

#[tokio::test]
async fn a_close_before_the_answer_drops_the_handler_and_then_undoes() {
    struct OnDrop(Arc<AtomicUsize>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let scope = Scope::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let handler = service_fn({
        let dropped = Arc::clone(&dropped);
        move |mut request: Request| {
            let dropped = Arc::clone(&dropped);
            async move {
                let admitted = request.extensions_mut().remove::<Admitted>().unwrap();
                let mut setup = admitted.setup().unwrap();
                let seen = Arc::clone(&dropped);
                let undo = move || assert_eq!(seen.load(Ordering::Relaxed), 1);
                setup.on_close(undo).unwrap();
                let _held = OnDrop(dropped);
                pending::<Result<Response, Infallible>>().await
            }
        }
    });
    let mut service = Admit::new(scope.clone()).layer(handler);
    // Not `oneshot`, which drops the call with the answer.
    let mut call = tokio_test::task::spawn(service.call(sse()));
    tokio_test::assert_pending!(call.poll());
    let handle = scope.handles().pop().unwrap();
    scope.close_all(CloseReason::Shutdown);
    assert!(call.is_woken());
    let answer = tokio_test::assert_ready!(call.poll()).unwrap();
    assert_eq!(answer.status(), 503);
    // Though the server still has the call.
    let settled = handle.try_settled().unwrap();
    assert!(settled.panics.is_empty(), "{settled:?}");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_handler_that_panics_has_failed_and_is_dropped_before_the_undo() {
    let scope = Scope::new();
    let held = Arc::new(());
    let handler = service_fn({
        let held = Arc::clone(&held);
        move |request: Request| {
            let held = Arc::clone(&held);
            async move {
                let admitted = request.extensions().get::<Admitted>().unwrap();
                let weak = Arc::downgrade(&held);
                let undo = move || assert_eq!(weak.strong_count(), 1, "the handler is there");
                admitted.setup().unwrap().on_close(undo).unwrap();
                tokio::task::yield_now().await;
                if Arc::strong_count(&held) > 0 {
                    panic!("the handler panics");
                }
                Ok::<_, Infallible>(events())
            }
        }
    });
    let call = tokio::spawn(Admit::new(scope.clone()).layer(handler).oneshot(sse()));
    let handle = loop {
        match scope.handles().pop() {
            Some(handle) => break handle,
            None => tokio::task::yield_now().await,
        }
    };
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);
    assert!(handle.try_settled().unwrap().panics.is_empty());
    assert_eq!(open(&scope), 0);
}

/// A service that fails.
#[derive(Clone)]
struct Fails;

impl Service<Request> for Fails {
    type Response = Response;
    type Error = &'static str;
    type Future = Ready<Result<Response, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        ready(Err("no"))
    }
}

#[tokio::test]
async fn an_error_of_the_service_is_passed_on() {
    let scope = Scope::new();
    let service: AdmitService<Fails> = Admit::new(scope.clone()).layer(Fails);
    assert_eq!(service.oneshot(sse()).await.unwrap_err(), "no");
    assert_eq!(open(&scope), 0);
    assert_eq!(scope.stats().closed_as(CloseReason::Failed), 1);
}

//! The layer: which requests have a connection, what they are answered, and that nothing is left.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use hangup::layer::{Admit, AdmitBody, AdmitService, Admitted, asks_for_stream};
use hangup::{CloseReason, Conflict, Error, Registry, Scope};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, Service, ServiceExt, service_fn};

const EVENT: &str = "data: hello\n\n";

fn request(method: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::builder().method(method).uri("/");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(Body::empty()).unwrap()
}

fn sse() -> Request {
    request("GET", &[("accept", "text/event-stream")])
}

fn grpc() -> Request {
    request("POST", &[("content-type", "application/grpc")])
}

/// A response of this type whose body says `first` and then nothing.
fn quiet(kind: &str, first: &'static str) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(first))]);
    let body = Body::from_stream(first.chain(stream::pending()));
    let response = Response::builder().header("content-type", kind);
    response.body(body).unwrap()
}

fn events() -> Response {
    quiet("text/event-stream", EVENT)
}

type Answer = Response<AdmitBody<Body>>;

/// What a handler that gives this answer gives through the layer.
async fn through(admit: &Admit, request: Request, answer: fn() -> Response) -> Answer {
    let handler = service_fn(move |_: Request| ready(Ok::<_, Infallible>(answer())));
    admit.layer(handler).oneshot(request).await.unwrap()
}

async fn frame(answer: &mut Answer) -> Option<String> {
    let frame = answer.body_mut().frame().await?.unwrap();
    let text = match frame.into_data() {
        Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
        Err(frame) => format!("{:?}", frame.into_trailers().unwrap()),
    };
    Some(text)
}

fn open(scope: &Scope) -> usize {
    let stats = scope.stats();
    stats.pending + stats.registering + stats.live + stats.settling
}

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
async fn a_route_that_always_streams_admits_all_but_a_head() {
    let scope = Scope::new();
    let admit = Admit::new(scope.clone()).always();
    let head = request("HEAD", &[("accept", "text/event-stream")]);
    for (request, expected) in [
        (request("GET", &[("accept", "*/*")]), 1),
        (request("POST", &[]), 1),
        (head, 0),
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
    // Nobody knows what a goodbye looks like here.
    assert!(frame(&mut answer).await.is_none());
    let admit = admit.when(|_| false);
    let _answer = through(&admit, sse(), events).await;
    assert_eq!(open(&scope), 0);
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
async fn a_handler_joins_lends_once_and_takes() {
    let scope = Scope::new();
    let users = Registry::<String, ()>::new(Conflict::Reject);
    let admit = Admit::new(scope.clone());
    let app = |users: Registry<String, ()>| {
        let handler = async move |Extension(admitted): Extension<Admitted>| {
            let mut setup = admitted.setup().map_err(status)?;
            assert_eq!(admitted.setup().unwrap_err(), Error::NotInSetup);
            assert_eq!(admitted.take().unwrap_err(), Error::NotInSetup);
            setup
                .join(&users, "ada".to_owned(), ())
                .map_err(|error| status(error.into()))?;
            Ok::<_, StatusCode>(events())
        };
        axum::Router::new().route("/", axum::routing::get(handler))
    };
    let app = app(users.clone()).layer(admit);
    let first = app.clone().oneshot(sse()).await.unwrap();
    assert!(users.get("ada").is_some());
    let refused = app.clone().oneshot(sse()).await.unwrap();
    assert_eq!(refused.status(), 409);
    drop(first);
    assert!(users.get("ada").is_none());
    assert_eq!(open(&scope), 0);
}

fn status(error: Error) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap()
}

#[tokio::test]
async fn a_handler_that_takes_its_connection_streams_by_itself() {
    let scope = Scope::new();
    let handler = service_fn(|request: Request| {
        let admitted = request.extensions().get::<Admitted>().unwrap();
        let live = admitted.take().unwrap().go_live().unwrap();
        assert_eq!(admitted.setup().unwrap_err(), Error::NotInSetup);
        let body = live.stream(stream::pending::<Bytes>());
        let body = body.farewell(|_| Some(Bytes::from("mine")));
        let body = Body::from_stream(body.map(Ok::<_, Infallible>));
        let response = Response::builder().header("content-type", "text/event-stream");
        ready(Ok::<_, Infallible>(response.body(body).unwrap()))
    });
    let service = Admit::new(scope.clone()).layer(handler);
    let mut answer = service.oneshot(sse()).await.unwrap();
    assert_eq!(scope.stats().live, 1);
    scope.close_all(CloseReason::Shutdown);
    assert_eq!(frame(&mut answer).await.unwrap(), "mine");
    assert!(frame(&mut answer).await.is_none());
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn a_loan_that_outlives_the_answer_ends_the_connection() {
    let scope = Scope::new();
    let lent = Arc::new(std::sync::Mutex::new(None));
    let handler = service_fn({
        let lent = Arc::clone(&lent);
        move |request: Request| {
            let admitted = request.extensions().get::<Admitted>().unwrap();
            let setup = admitted.setup().unwrap();
            *lent.lock().unwrap() = Some((setup, admitted.clone()));
            ready(Ok::<_, Infallible>(events()))
        }
    });
    let service = Admit::new(scope.clone()).layer(handler);
    let answer = service.oneshot(sse()).await.unwrap();
    drop(answer);
    assert_eq!(scope.stats().registering, 1);
    let (setup, _admitted) = lent.lock().unwrap().take().unwrap();
    drop(setup);
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn a_client_that_vanishes_ends_also_what_a_handler_has_given_away() {
    for lends in [false, true] {
        let scope = Scope::new();
        let given = Arc::new(std::sync::Mutex::new(None));
        let handler = service_fn({
            let given = Arc::clone(&given);
            move |request: Request| {
                let admitted = request.extensions().get::<Admitted>().unwrap().clone();
                let setup = lends.then(|| admitted.setup().unwrap());
                *given.lock().unwrap() = Some((setup, admitted));
                pending::<Result<Response, Infallible>>()
            }
        });
        let mut call =
            tokio_test::task::spawn(Admit::new(scope.clone()).layer(handler).oneshot(sse()));
        tokio_test::assert_pending!(call.poll());
        let handle = scope.handles().pop().unwrap();
        drop(call);
        let closed = handle.state().closed().expect("it is closed");
        assert_eq!(closed.reason, CloseReason::Dropped);
        drop(given.lock().unwrap().take());
        assert_eq!(open(&scope), 0);
    }
}

#[tokio::test]
async fn a_close_does_not_stop_a_handler_that_has_taken_its_connection() {
    let scope = Scope::new();
    let goes_on = Arc::new(tokio::sync::Notify::new());
    let handler = service_fn({
        let goes_on = Arc::clone(&goes_on);
        move |request: Request| {
            let goes_on = Arc::clone(&goes_on);
            async move {
                let admitted = request.extensions().get::<Admitted>().unwrap();
                let _live = admitted.take().unwrap().go_live().unwrap();
                goes_on.notified().await;
                Ok::<_, Infallible>(Response::new(Body::from("mine")))
            }
        }
    });
    let mut call = tokio_test::task::spawn(Admit::new(scope.clone()).layer(handler).oneshot(sse()));
    tokio_test::assert_pending!(call.poll());
    scope.close_all(CloseReason::Shutdown);
    tokio_test::assert_pending!(call.poll());
    goes_on.notify_one();
    let mut answer = call.await.unwrap();
    assert_eq!(frame(&mut answer).await.unwrap(), "mine");
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

#[cfg(feature = "axum")]
mod on_axum {
    use axum::Router;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_handler_extracts_its_connection_and_answers_errors() {
        let users = Registry::<u8, ()>::new(Conflict::Reject);
        let scope = Scope::new();
        let stream = async move |admitted: Admitted| {
            admitted.setup()?.join(&users, 7, ())?;
            Ok::<_, Error>(events())
        };
        let both = async |admitted: Option<Admitted>| admitted.is_some().to_string();
        let app = Router::new()
            .route("/", get(stream))
            .route("/both", get(both))
            .layer(Admit::new(scope.clone()));
        let first = app.clone().oneshot(sse()).await.unwrap();
        assert_eq!(first.status(), 200);
        let second = app.clone().oneshot(sse()).await.unwrap();
        assert_eq!(second.status(), 409);
        let text = second.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "the key is taken\n");
        // A handler that streams alone is not for a client that does not ask for a stream.
        let document = app.clone().oneshot(request("GET", &[])).await.unwrap();
        assert_eq!(document.status(), 406);
        let document = Request::builder().uri("/both").body(Body::empty()).unwrap();
        let document = app.oneshot(document).await.unwrap();
        let text = document.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "false");
    }
}

#[cfg(feature = "tonic")]
#[test]
fn errors_are_statuses() {
    use hangup::{KeyError, OpenError};
    use tonic::{Code, Status};

    let full = Status::from(OpenError::Full);
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert_eq!(full.message(), "the server is full");
    let taken = Status::from(Error::from(KeyError::Taken));
    assert_eq!(taken.code(), Code::AlreadyExists);
}

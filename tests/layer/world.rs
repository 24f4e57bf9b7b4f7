//! Requests, answers, and what a handler gives through the layer.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use hangup::Scope;
use hangup::layer::{Admit, AdmitBody};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const EVENT: &str = "data: hello\n\n";

pub(crate) fn request(method: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::builder().method(method).uri("/");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(Body::empty()).unwrap()
}

pub(crate) fn sse() -> Request {
    request("GET", &[("accept", "text/event-stream")])
}

pub(crate) fn grpc() -> Request {
    request("POST", &[("content-type", "application/grpc")])
}

/// A response of this type whose body says `first` and then nothing.
pub(crate) fn quiet(kind: &str, first: &'static str) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(first))]);
    let body = Body::from_stream(first.chain(stream::pending()));
    let response = Response::builder().header("content-type", kind);
    response.body(body).unwrap()
}

pub(crate) fn events() -> Response {
    quiet("text/event-stream", EVENT)
}

pub(crate) type Answer = Response<AdmitBody<Body>>;

/// What a handler that gives this answer gives through the layer.
pub(crate) async fn through(admit: &Admit, request: Request, answer: fn() -> Response) -> Answer {
    let handler = service_fn(move |_: Request| ready(Ok::<_, Infallible>(answer())));
    admit.layer(handler).oneshot(request).await.unwrap()
}

pub(crate) async fn frame(answer: &mut Answer) -> Option<String> {
    let frame = answer.body_mut().frame().await?.unwrap();
    let text = match frame.into_data() {
        Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
        Err(frame) => format!("{:?}", frame.into_trailers().unwrap()),
    };
    Some(text)
}

pub(crate) fn open(scope: &Scope) -> usize {
    let stats = scope.stats();
    stats.pending + stats.registering + stats.live + stats.settling
}

//! Answers to requests that are not admitted, each in the form of its protocol.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::protocol::Protocol;
use crate::error::Error;
use crate::topic::SseEvent;

/// What a client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A status and a text.
    Http,
    /// An `EventSource` of a browser. Any status but 200 would end it for good.
    EventSource,
    Grpc,
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

impl Form {
    pub(super) fn of(protocol: Protocol, headers: &HeaderMap) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc,
            Protocol::Sse if is_event_source(headers) => Self::EventSource,
            Protocol::Sse | Protocol::Other => Self::Http,
        }
    }

    /// The whole answer, with its body.
    pub(super) fn refuse(self, error: Error) -> Response<Bytes> {
        match (self, error.retry_after()) {
            (Self::Grpc, _) => {
                let mut response = Response::new(Bytes::new());
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.extend(grpc_status(error));
                response
            }
            (Self::EventSource, Some(after)) => {
                let mut response = Response::new(SseEvent::default().retry(after).into_bytes());
                let events = HeaderValue::from_static("text/event-stream");
                response.headers_mut().insert(CONTENT_TYPE, events);
                response
            }
            (Self::EventSource | Self::Http, after) => {
                let mut response = Response::new(Bytes::from(format!("{error}\n")));
                *response.status_mut() = StatusCode::from_u16(error.http_status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, text);
                if let Some(after) = after {
                    headers.insert(RETRY_AFTER, after.as_secs().into());
                }
                response
            }
        }
    }
}

/// Whether it is the `EventSource` of a browser, by what no other client sends together.
fn is_event_source(headers: &HeaderMap) -> bool {
    let accepts_events_alone = headers
        .get(ACCEPT)
        .is_some_and(|accepted| accepted == "text/event-stream");
    accepts_events_alone && headers.contains_key("sec-fetch-mode")
}

/// The status of a call that has not succeeded: in the head of an answer without a body, or
/// as trailers.
pub(super) fn grpc_status(error: Error) -> HeaderMap {
    let mut status = HeaderMap::with_capacity(2);
    status.insert(GRPC_STATUS, error.grpc_code().into());
    // The texts of errors are printable, and have no percent sign: nothing is to be escaped.
    if let Ok(message) = HeaderValue::try_from(error.to_string()) {
        status.insert(GRPC_MESSAGE, message);
    }
    status
}

//! Which messages are streams, by their heads.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, request};

/// The kind of a stream, which decides how it is refused, and what it says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Server-sent events.
    Sse,
    Grpc,
    /// A stream whose bytes are not known.
    Other,
}

/// Whether the head of a request asks for a stream, and for nothing else: for server-sent events
/// alone, by its `Accept`, or for a call of gRPC, by its `Content-Type`. A `HEAD` asks for none.
///
/// No head tells a call of gRPC that streams from one that does not.
///
/// This is what [`Admit`](super::Admit) goes by, unless it is [told](super::Admit::when)
/// otherwise.
#[must_use]
pub fn asks_for_stream(head: &request::Parts) -> bool {
    matches!(Asks::of(&head.method, &head.headers), Asks::Alone(_))
}

/// What the head of a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// No stream that is known by its head.
    Nothing,
    /// Events among others: a client of MCP.
    Among,
    /// A stream, and nothing else.
    Alone(Protocol),
}

impl Asks {
    #[inline]
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        if *method == Method::HEAD || headers.is_empty() {
            return Self::Nothing;
        }
        if *method == Method::POST && is_grpc(headers.get(CONTENT_TYPE)) {
            return Self::Alone(Protocol::Grpc);
        }
        // Most accept no type with a dash, which is quick to look for.
        let has_dash = |has: bool, byte: &u8| has | (*byte == b'-');
        let may_be = |accepted: &HeaderValue| accepted.as_bytes().iter().fold(false, has_dash);
        match headers.get_all(ACCEPT).iter().any(may_be) {
            true => Self::of_accept(headers),
            false => Self::Nothing,
        }
    }

    fn of_accept(headers: &HeaderMap) -> Self {
        let (mut any, mut all) = (false, true);
        for accepted in headers.get_all(ACCEPT) {
            let (has_some, has_others) = accepts_events(accepted.as_bytes());
            any |= has_some;
            all &= !has_others;
        }
        match (any, all) {
            (false, _) => Self::Nothing,
            (true, false) => Self::Among,
            (true, true) => Self::Alone(Protocol::Sse),
        }
    }
}

impl Protocol {
    /// The protocol of a response that streams.
    pub(super) fn of_response(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE);
        if is_grpc(kind) {
            // With the status in its head it is an error, and has no body.
            return (!headers.contains_key("grpc-status")).then_some(Self::Grpc);
        }
        kind.is_some_and(|kind| is_events(kind.as_bytes()))
            .then_some(Self::Sse)
    }
}

fn is_grpc(kind: Option<&HeaderValue>) -> bool {
    // Not `application/grpc-web`, whose trailers are part of its body.
    kind.is_some_and(|kind| is_type(kind.as_bytes(), b"application/grpc", b"+; \t"))
}

/// Whether events are accepted, and whether anything else is.
fn accepts_events(accepted: &[u8]) -> (bool, bool) {
    let ranges = accepted.split(|byte| *byte == b',');
    ranges.fold((false, false), |(some, others), range| {
        let is_events = is_events(range) && !is_refused(range);
        (some | is_events, others | !is_events)
    })
}

/// Whether a media type, or a range of them, is `text/event-stream`.
fn is_events(kind: &[u8]) -> bool {
    is_type(kind.trim_ascii_start(), b"text/event-stream", b"; \t")
}

/// Whether `kind` is this type, up to its end or one of the bytes that may follow it.
fn is_type(kind: &[u8], name: &[u8], ends: &[u8]) -> bool {
    let Some((begin, rest)) = kind.split_at_checked(name.len()) else {
        return false;
    };
    // Many types begin alike, and few end alike.
    let ends_alike = begin.last().map(u8::to_ascii_lowercase) == name.last().copied();
    let has_end = rest.first().is_none_or(|byte| ends.contains(byte));
    ends_alike && has_end && begin.eq_ignore_ascii_case(name)
}

/// Whether its weight is zero: `q=0`.
fn is_refused(range: &[u8]) -> bool {
    let mut parameters = range.split(|byte| *byte == b';').skip(1);
    parameters.any(|parameter| {
        let is_zero = |weight: &[u8]| {
            weight.starts_with(b"0") && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
        };
        match parameter.trim_ascii() {
            [b'q' | b'Q', b'=', weight @ ..] => is_zero(weight),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue, Method};

    use super::{Asks, Protocol};

    fn accept(values: &[&'static str]) -> HeaderMap {
        let values = values.iter().copied().map(HeaderValue::from_static);
        values.map(|value| (ACCEPT, value)).collect()
    }

    fn kind(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_head_of_a_request_asks_for_events() {
        let asks = |method: &Method, values: &[&'static str]| {
            Asks::of(method, &accept(values)) == Asks::Alone(Protocol::Sse)
        };
        assert!(asks(&Method::GET, &["text/event-stream"]));
        assert!(asks(&Method::POST, &["Text/Event-Stream;q=0.9"]));
        let both = ["text/event-stream", "text/event-stream; charset=utf-8"];
        assert!(asks(&Method::GET, &both));
        // As clients of MCP say it.
        let other = "application/json, text/event-stream";
        assert!(!asks(&Method::POST, &[other]));
        let among = Asks::of(&Method::POST, &accept(&[other]));
        assert_eq!(among, Asks::Among);
        assert!(!asks(&Method::GET, &["text/event-stream", "text/html"]));
        assert!(!asks(&Method::HEAD, &["text/event-stream"]));
        assert!(!asks(&Method::GET, &["*/*"]));
        assert!(!asks(&Method::GET, &["text/event-streams"]));
        assert!(!asks(
            &Method::GET,
            &["text/event-stream, text/event-stream; q=0.000"]
        ));
        assert!(!asks(&Method::GET, &[]));
    }

    #[test]
    fn calls_of_grpc_are_streams_and_those_for_the_web_are_not() {
        let of = |value| Asks::of(&Method::POST, &kind(value));
        for value in [
            "application/grpc",
            "application/GRPC+proto",
            "application/grpc;x=y",
        ] {
            assert_eq!(of(value), Asks::Alone(Protocol::Grpc), "{value}");
        }
        for value in [
            "application/grpc-web",
            "application/grpcs",
            "application/json",
            "a",
        ] {
            assert_eq!(of(value), Asks::Nothing, "{value}");
        }
        let mut failed = kind("application/grpc");
        assert_eq!(Protocol::of_response(&failed), Some(Protocol::Grpc));
        failed.insert("grpc-status", HeaderValue::from_static("5"));
        assert_eq!(Protocol::of_response(&failed), None);
    }

    #[test]
    fn the_head_of_a_response_says_what_it_streams() {
        let of = |value| Protocol::of_response(&kind(value));
        assert_eq!(of("text/event-stream;charset=utf-8"), Some(Protocol::Sse));
        assert_eq!(of("application/json"), None);
        assert_eq!(Protocol::of_response(&HeaderMap::new()), None);
    }
}

//! Frameworks whose response holds a subscription.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse as _;
use axum_streams::StreamBodyAs;
use bytes::Bytes;
use datastar::prelude::PatchSignals;
use futures::{Stream, StreamExt, stream};
use hangup_wild::Row;
use http_body_util::BodyExt;
use poem::IntoResponse as _;
use tokio_stream::StreamMap;
use warp::Reply as _;

use crate::feed::explore;

const AXUM: Row = Row::new("axum", "`Sse` with `KeepAlive` over a broadcast");
const AXUM_STREAMS: Row = Row::new("axum-streams", "`json_nl` over a broadcast");
const DATASTAR: Row = Row::new("datastar", "`PatchSignals` over a broadcast, in axum");
const POEM: Row = Row::new("poem", "`SSE` with `keep_alive` over a broadcast");
const SSE_STREAM: Row = Row::new("sse-stream", "`SseBody` over a broadcast");
const TOKIO_STREAM: Row = Row::new("tokio-stream", "`StreamMap` of two streams of one client");
const WARP: Row = Row::new("warp", "`sse::keep_alive` over a broadcast");

fn bytes_of<B>(body: B) -> impl Stream<Item = Bytes>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    body.into_data_stream().map(Result::unwrap)
}

#[test]
fn axum_is_clean() {
    let report = explore(|numbers| async {
        use axum::response::sse::{Event, KeepAlive, Sse};

        let events = numbers.map(|it| Ok::<_, Infallible>(Event::default().data(it.to_string())));
        let response = Sse::new(events).keep_alive(KeepAlive::default());
        bytes_of(response.into_response().into_body())
    });
    AXUM.clean(&report, 150);
}

#[test]
fn axum_streams_is_clean() {
    let report = explore(|numbers| async {
        bytes_of(StreamBodyAs::json_nl(numbers).into_response().into_body())
    });
    AXUM_STREAMS.clean(&report, 70);
}

#[test]
fn datastar_is_clean() {
    let report = explore(|numbers| async {
        use axum::response::sse::{Event, Sse};

        let events = numbers.map(|it| {
            let signals = PatchSignals::new(format!("{{number: {it}}}"));
            Ok::<_, Infallible>(Event::from(signals))
        });
        bytes_of(Sse::new(events).into_response().into_body())
    });
    DATASTAR.clean(&report, 70);
}

#[test]
fn poem_is_clean() {
    let report = explore(|numbers| async {
        use poem::web::sse::{Event, SSE};

        let events = numbers.map(|it| Event::message(it.to_string()));
        let response = SSE::new(events).keep_alive(Duration::from_secs(15));
        let body = response.into_response().into_body();
        body.into_bytes_stream().map(Result::unwrap)
    });
    POEM.clean(&report, 150);
}

#[test]
fn sse_stream_is_clean() {
    let report = explore(|numbers| async {
        use sse_stream::{Sse, SseBody};

        let events = numbers.map(|it| Ok::<_, Infallible>(Sse::default().data(it.to_string())));
        bytes_of(SseBody::new(events))
    });
    SSE_STREAM.clean(&report, 70);
}

#[test]
fn tokio_stream_is_clean() {
    let report = explore(|numbers| async {
        let mut streams = StreamMap::new();
        streams.insert("numbers", numbers);
        streams.insert("greetings", Box::pin(stream::empty()));
        streams.map(|(_, number)| Bytes::from(number.to_string()))
    });
    TOKIO_STREAM.clean(&report, 70);
}

#[test]
fn warp_is_clean() {
    let report = explore(|numbers| async {
        use warp::sse::{Event, keep_alive, reply};

        let events = numbers.map(|it| Ok::<_, Infallible>(Event::default().data(it.to_string())));
        bytes_of(
            reply(keep_alive().stream(events))
                .into_response()
                .into_body(),
        )
    });
    WARP.clean(&report, 150);
}

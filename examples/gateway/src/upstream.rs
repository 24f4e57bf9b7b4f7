//! An upstream that answers with server-sent events, and how to ask it. In earnest it
//! would be another server; here the gateway asks itself.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use futures::{StreamExt, stream};
use hangup::{Closed, Registering};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

pub(crate) const PATH: &str = "/upstream";

/// What the upstream is asked for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct Events {
    count: u64,
    every_ms: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            count: u64::MAX,
            every_ms: 5000,
        }
    }
}

/// The upstream: numbered events, which it sends in pieces, as upstreams do.
pub(crate) async fn serve(Query(events): Query<Events>) -> impl IntoResponse {
    let period = Duration::from_millis(events.every_ms);
    let chunks = stream::iter(0..events.count).then(move |number| async move {
        if number > 0 {
            tokio::time::sleep(period).await;
        }
        let pieces = [
            "data: event ".to_owned(),
            format!("{number}\r\n"),
            "\r\n".to_owned(),
        ];
        stream::iter(pieces.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))))
    });
    let body = Body::from_stream(chunks.flatten());
    ([(CONTENT_TYPE, "text/event-stream")], body)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error("the upstream is not there: {0}")]
    Connect(#[from] io::Error),
    #[error("the upstream does not answer: {0}")]
    Http(#[from] hyper::Error),
}

/// Asks the upstream at `addr` for events, on a connection that lasts as long as that of
/// our own client: it is a task of it.
pub(crate) async fn ask(
    setup: &mut Registering,
    addr: SocketAddr,
    events: Events,
) -> Result<Response<Incoming>, NoAnswer> {
    let Events { count, every_ms } = events;
    let uri = format!("{PATH}?count={count}&every_ms={every_ms}");
    let request = Request::get(uri).header(HOST, addr.to_string());
    let request = request.body(Empty::<Bytes>::new());
    let request = request.expect("numbers make a valid URI");

    let socket = setup.run(TcpStream::connect(addr)).await??;
    let (mut upstream, connection) = setup.run(http1::handshake(TokioIo::new(socket))).await??;
    setup.spawn(connection);
    Ok(setup.run(upstream.send_request(request)).await??)
}

//! Requests of HTTP/1.1, each on a connection of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an answer may take to come.
const ANSWER: Duration = Duration::from_secs(60);

/// An answer whose body is still to come. The connection ends when this is dropped.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
    _connection: JoinSet<()>,
}

impl Answer {
    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// If the connection ends in the middle.
    ///
    /// # Cancel safety
    ///
    /// It loses nothing.
    pub async fn bytes(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(io::Error::other)?;
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// If the connection ends in the middle, or the body takes too long.
    pub async fn text(mut self) -> io::Result<String> {
        let whole = async {
            let mut whole = Vec::new();
            while let Some(bytes) = self.bytes().await? {
                whole.extend_from_slice(&bytes);
            }
            io::Result::Ok(whole)
        };
        let whole = timeout(ANSWER, whole).await??;
        String::from_utf8(whole).map_err(io::Error::other)
    }
}

/// Sends a request, and returns the answer when its head has come.
///
/// # Errors
///
/// If the connection fails, or the answer takes longer than a minute.
pub async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let exchange = async {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(socket));
        let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
        let mut connected = JoinSet::new();
        connected.spawn(async move {
            // The answer tells it as well.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", addr.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = request.body(body).map_err(io::Error::other)?;
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(io::Error::other)?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            _connection: connected,
        })
    };
    timeout(ANSWER, exchange).await?
}

//! Requests of HTTP/1.1, each on a connection of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::kernel::unread;
use crate::plan::Plan;
use crate::report::Answer;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body, as it is sent: in chunks, if it is.
    pub body: String,
}

impl Response {
    /// The value of the header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Sends a request with `headers`, each with its `\r\n`, and returns the answer.
///
/// # Errors
///
/// If the connection fails, or the answer is not there soon.
pub async fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await?;
        let response = String::from_utf8_lossy(&response);
        let (head, body) = response
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Response {
            status: status(head),
            head: head.to_owned(),
            body: body.to_owned(),
        })
    };
    timeout(Plan::SOON, exchange).await?
}

/// The number at `path`, which is a number or a list.
///
/// # Panics
///
/// If there is none.
pub async fn count(addr: SocketAddr, path: &str) -> u64 {
    let response = request(addr, "GET", path, "", "").await.unwrap();
    assert_eq!(response.status, 200, "{}", response.body);
    match serde_json::from_str(&response.body).unwrap() {
        Value::Array(list) => list.len().try_into().unwrap(),
        number => number.as_u64().unwrap(),
    }
}

/// Waits until what `count` says is `expected`, at most for `limit`; returns what it says then.
pub async fn count_becomes<F: Future<Output = u64>>(
    expected: u64,
    limit: Duration,
    count: impl Fn() -> F,
) -> u64 {
    let deadline = Instant::now() + limit;
    loop {
        let counted = count().await;
        if counted == expected || Instant::now() >= deadline {
            return counted;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn status(head: &str) -> u16 {
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.expect("an answer has a status")
}

/// A request of which half is sent. A server that has accepted it waits for the other half, also
/// when it is told to shut down.
#[derive(Debug)]
pub struct Late {
    stream: TcpStream,
    rest: String,
}

impl Late {
    /// Sends the first half of a request with `headers`, each with its `\r\n`, and waits until the
    /// server has read it.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the server does not read.
    pub async fn begin(
        addr: SocketAddr,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr).await?;
        let half = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\n");
        stream.write_all(half.as_bytes()).await?;
        // A connection that has not been read from is ended by a shutdown.
        let client = stream.local_addr()?;
        let is_read = async {
            while unread(addr, client).await != Some(0) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Plan::SOON, is_read).await?;
        Ok(Self {
            stream,
            rest: format!("{headers}\r\n{body}"),
        })
    }

    /// Sends the other half, and returns what the answer is, of which `accepted` is the status of
    /// one that opens a stream.
    pub async fn finish(mut self, accepted: u16, deadline: Instant) -> Answer {
        let exchange = async {
            self.stream.write_all(self.rest.as_bytes()).await?;
            let mut response = Vec::new();
            while !response.windows(4).any(|end| end == b"\r\n\r\n") {
                if self.stream.read_buf(&mut response).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            io::Result::Ok(String::from_utf8_lossy(&response).to_ascii_lowercase())
        };
        match timeout_at(deadline, exchange).await {
            Err(_) => Answer::None,
            Ok(Err(_)) => Answer::Cut,
            Ok(Ok(head)) => match status(&head) {
                503 if head.contains("\r\nretry-after: ") => Answer::Refused,
                status if status == accepted => Answer::Accepted,
                _ => Answer::Other(head.lines().next().unwrap_or_default().to_owned()),
            },
        }
    }
}

//! A client over a real socket.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For what must happen soon: far more than it takes, far less than for ever.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A client with no manners.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) received: String,
}

impl Client {
    pub(crate) async fn send(addr: SocketAddr, method: &str, path: &str, body: &[u8]) -> Self {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
        write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body).await.unwrap();
        Self {
            socket,
            received: String::new(),
        }
    }

    /// A `GET` with these lines in its head as well.
    pub(crate) async fn send_with(addr: SocketAddr, path: &str, headers: &str) -> Self {
        Self::send_to(addr, path, &format!("Host: {addr}\r\n{headers}")).await
    }

    /// A `GET` with these lines in its head.
    pub(crate) async fn send_to(addr: SocketAddr, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        Self {
            socket,
            received: String::new(),
        }
    }

    /// Reads until `text` has arrived.
    pub(crate) async fn expect(&mut self, text: &str) {
        let reading = async {
            while !self.received.contains(text) {
                assert_ne!(self.read().await, 0, "no `{text}` in {}", self.received);
            }
        };
        timeout(SOON, reading).await.unwrap();
    }

    pub(crate) async fn rest(&mut self) -> String {
        while self.read().await > 0 {}
        std::mem::take(&mut self.received)
    }

    async fn read(&mut self) -> usize {
        let mut chunk = [0; 4096];
        let n = self.socket.read(&mut chunk).await.unwrap();
        self.received
            .push_str(std::str::from_utf8(&chunk[..n]).unwrap());
        n
    }

    /// Resets the connection: no FIN, pending data thrown away.
    pub(crate) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

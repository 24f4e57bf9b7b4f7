//! A connection of HTTP/2 without a request, which sees that the server shuts down: the server
//! does not close its listener then.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What each client begins with, then its settings: an empty frame of type 4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const GO_AWAY: u8 = 7;

/// A connection that waits for a frame `GOAWAY`.
pub(crate) struct GoAway(TcpStream);

impl GoAway {
    /// Connects, and waits until the server speaks.
    pub(crate) async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(PREFACE).await?;
        let mut this = Self(stream);
        this.frame().await?;
        Ok(this)
    }

    /// Waits until the frame comes, or the connection ends.
    pub(crate) async fn comes(mut self) {
        while self.frame().await.is_ok_and(|kind| kind != GO_AWAY) {}
    }

    /// The type of the next frame.
    async fn frame(&mut self) -> io::Result<u8> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, ..] = head;
        let mut body = vec![0; u32::from_be_bytes([0, a, b, c]).try_into().unwrap()];
        self.0.read_exact(&mut body).await?;
        Ok(kind)
    }
}

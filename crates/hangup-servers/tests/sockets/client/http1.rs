//! HTTP/1.1 by hand.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) struct Http1(TcpStream);

impl Http1 {
    pub(super) async fn send(mut socket: TcpStream, bytes: &[u8]) -> Self {
        socket.write_all(bytes).await.unwrap();
        Self(socket)
    }

    pub(super) async fn chunk(&mut self) -> Bytes {
        let mut chunk = vec![0; 16 * 1024];
        let n = self.0.read(&mut chunk).await.unwrap();
        chunk.truncate(n);
        chunk.into()
    }
}

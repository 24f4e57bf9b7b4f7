//! A socket on which a stream is asked for.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::events;

pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        Ok(Self(socket))
    }

    /// Opens a stream under `key`, and waits for its first event.
    pub(super) async fn open(&mut self, key: u64) -> io::Result<()> {
        let request = format!(
            "GET /events/{key} HTTP/1.1\r\nHost: loopback\r\nAccept: text/event-stream\r\n\r\n"
        );
        self.0.write_all(request.as_bytes()).await?;
        self.read_until(|read| read.contains(&(events::OPEN as u8)))
            .await
    }

    /// Waits for the end of a stream's response, whose farewell comes before.
    pub(super) async fn read_to_the_end(&mut self) -> io::Result<()> {
        let mut all = Vec::new();
        let is_over = |read: &[u8]| {
            all.extend_from_slice(read);
            all.ends_with(b"\r\n0\r\n\r\n")
        };
        self.read_until(is_over).await?;
        assert!(all.contains(&(events::CLOSED as u8)), "no farewell");
        Ok(())
    }

    /// Leaves, and waits until the server has left too. What was on its way is not looked at.
    pub(super) async fn disconnect(mut self) -> io::Result<()> {
        self.0.shutdown().await?;
        let mut chunk = [0; 1024];
        loop {
            match self.read(&mut chunk).await {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                // What was on its way has not found the server any more.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_until(&mut self, mut is_over: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        let mut chunk = [0; 1024];
        loop {
            let read = self.read(&mut chunk).await?;
            if is_over(read) {
                return Ok(());
            }
        }
    }

    /// What comes next. The end of the connection is an error.
    pub(super) async fn read<'a>(&mut self, chunk: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match self.0.read(chunk).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(&chunk[..count]),
        }
    }

    pub(super) async fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await
    }
}

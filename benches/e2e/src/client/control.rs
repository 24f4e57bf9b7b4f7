//! A connection for short requests, one after the other.

use std::io;
use std::net::SocketAddr;

use super::socket::Socket;

pub(super) struct Control(Socket);

impl Control {
    pub(super) async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Socket::connect(addr).await.map(Self)
    }

    pub(super) async fn publish(&mut self) -> io::Result<()> {
        self.ask("POST", "/events").await?;
        Ok(())
    }

    pub(super) async fn stop(&mut self, key: u64) -> io::Result<()> {
        self.ask("DELETE", &format!("/events/{key}")).await?;
        Ok(())
    }

    /// How many are registered, and how many are not undone.
    pub(super) async fn counts(&mut self) -> io::Result<String> {
        self.ask("GET", "/counts").await
    }

    /// The body of the response.
    async fn ask(&mut self, method: &str, path: &str) -> io::Result<String> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: loopback\r\n\r\n");
        self.0.write(&request).await?;
        let (mut response, mut chunk) = (Vec::new(), [0; 1024]);
        loop {
            response.extend_from_slice(self.0.read(&mut chunk).await?);
            let text = String::from_utf8_lossy(&response);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with("HTTP/1.1 20"), "{path}: {head}");
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            let length = length.map_or(0, |it| it.parse().expect("a length"));
            if body.len() >= length {
                return Ok(body.to_owned());
            }
        }
    }
}

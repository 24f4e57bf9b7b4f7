//! A client with no manners.

mod http1;
mod http2;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::SOON;
use crate::ask::Ask;
use crate::server::{Buffers, Http};

use http1::Http1;
use http2::Http2;

/// How a client dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its socket is closed.
    Close,
    /// No FIN, and what is on its way is thrown away.
    Reset,
}

impl Death {
    pub(crate) const ALL: [Self; 2] = [Self::Close, Self::Reset];
}

pub(crate) struct Client {
    wire: Wire,
    received: String,
    /// The same socket once more: it is open as long as this is.
    socket: Socket,
}

enum Wire {
    One(Http1),
    Two(Http2),
}

impl Client {
    pub(crate) async fn open(http: Http, addr: SocketAddr, ask: Ask, buffers: Buffers) -> Self {
        let (stream, socket) = connect(addr, buffers);
        let wire = match http {
            Http::Axum | Http::One => {
                let head = format!("GET {} HTTP/1.1\r\nHost: {addr}\r\n\r\n", ask.path());
                Wire::One(Http1::send(stream, head.as_bytes()).await)
            }
            Http::Two => {
                let url = format!("http://{addr}{}", ask.path());
                Wire::Two(Http2::get(stream, url, buffers).await)
            }
        };
        Self::new(wire, socket)
    }

    /// Sends these bytes, whatever they mean.
    pub(crate) async fn send(addr: SocketAddr, bytes: &[u8]) -> Self {
        let (stream, socket) = connect(addr, Buffers::Small);
        Self::new(Wire::One(Http1::send(stream, bytes).await), socket)
    }

    fn new(wire: Wire, socket: Socket) -> Self {
        Self {
            wire,
            received: String::new(),
            socket,
        }
    }

    /// Reads until `text` has arrived.
    pub(crate) async fn expect(&mut self, text: &str) {
        let reading = async {
            while !self.received.contains(text) {
                assert!(self.read().await, "no `{text}` in {}", self.received);
            }
        };
        timeout(SOON, reading).await.unwrap();
    }

    /// Reads to the end of the response.
    pub(crate) async fn rest(&mut self) -> &str {
        let reading = async { while !self.at_end() && self.read().await {} };
        timeout(SOON, reading).await.unwrap();
        &self.received
    }

    fn at_end(&self) -> bool {
        match &self.wire {
            // The last chunk.
            Wire::One(_) => self.received.ends_with("\r\n0\r\n\r\n"),
            Wire::Two(_) => false,
        }
    }

    async fn read(&mut self) -> bool {
        let chunk = self.chunk().await;
        self.received.push_str(std::str::from_utf8(&chunk).unwrap());
        !chunk.is_empty()
    }

    /// Reads something and forgets it, again and again, with pauses between.
    pub(crate) async fn read_slowly(&mut self, times: usize, pause: Duration) -> usize {
        let mut read = 0;
        for _ in 0..times {
            let chunk = timeout(SOON, self.chunk()).await.unwrap();
            assert!(!chunk.is_empty(), "it has ended");
            read += chunk.len();
            // A pace, not a synchronization: to read slowly is what this client is for.
            tokio::time::sleep(pause).await;
        }
        read
    }

    /// Nothing at the end.
    async fn chunk(&mut self) -> Bytes {
        match &mut self.wire {
            Wire::One(wire) => wire.chunk().await,
            Wire::Two(wire) => wire.chunk().await,
        }
    }

    /// Leaves in the socket whatever arrives there.
    pub(crate) fn stop_reading(&self) {
        match &self.wire {
            // It does not but by `chunk`.
            Wire::One(_) => {}
            Wire::Two(wire) => wire.drive(false),
        }
    }

    pub(crate) fn read_on(&self) {
        match &self.wire {
            Wire::One(_) => {}
            Wire::Two(wire) => wire.drive(true),
        }
    }

    /// Wants no more of it, but keeps the connection.
    pub(crate) fn cancel(&mut self) {
        match &mut self.wire {
            Wire::One(_) => panic!("HTTP/1.1 knows no such thing"),
            Wire::Two(wire) => wire.cancel(),
        }
    }

    pub(crate) async fn die(self, death: Death) {
        if death == Death::Reset {
            self.socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        if let Wire::Two(wire) = self.wire {
            wire.abandon().await;
        }
    }
}

fn connect(addr: SocketAddr, buffers: Buffers) -> (TcpStream, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(buffers.size()).unwrap();
    // On loopback this does not block.
    socket.connect(&addr.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let same = socket.try_clone().unwrap();
    (TcpStream::from_std(socket.into()).unwrap(), same)
}

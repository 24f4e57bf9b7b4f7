//! The streams that are open, and those that come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::asleep::Asleep;
use super::control::Control;
use super::socket::Socket;
use super::tally::Tally;
use crate::events;

pub(super) struct Streams {
    addr: SocketAddr,
    open: u64,
    /// Of a stream that comes and goes.
    next_key: Arc<AtomicU64>,
    published: u64,
    seen: Arc<Seen>,
    asleep: Asleep,
}

#[derive(Default)]
struct Seen {
    outputs: Tally,
    farewells: Tally,
}

impl Streams {
    pub(super) fn new(addr: SocketAddr, asleep: Asleep) -> Self {
        Self {
            addr,
            open: 0,
            next_key: Arc::new(AtomicU64::new(1 << 32)),
            published: 0,
            seen: Arc::default(),
            asleep,
        }
    }

    pub(super) async fn open(&mut self, count: u64) -> io::Result<()> {
        assert_eq!(self.published, 0, "what was published is counted for all");
        for _ in 0..count {
            self.asleep.wait().await;
            let mut socket = Socket::connect(self.addr).await?;
            self.asleep.wait().await;
            socket.open(self.open).await?;
            self.open += 1;
            tokio::spawn(read(socket, Arc::clone(&self.seen)));
        }
        Ok(())
    }

    /// Publishes one event, and waits until all streams have it, each once.
    pub(super) async fn publish(&mut self, control: &mut Control) -> io::Result<()> {
        self.asleep.wait().await;
        control.publish().await?;
        self.published += 1;
        self.seen.outputs.reach(self.published * self.open).await;
        Ok(())
    }

    pub(super) async fn churn(&mut self, count: u64) -> io::Result<()> {
        let visits = self.visits();
        for _ in 0..count {
            visits.come_and_go().await?;
        }
        Ok(())
    }

    pub(super) fn visits(&self) -> Visits {
        Visits {
            addr: self.addr,
            next_key: Arc::clone(&self.next_key),
            asleep: self.asleep,
        }
    }

    /// All on one connection, one after the other.
    pub(super) async fn open_stop(&mut self, count: u64, control: &mut Control) -> io::Result<()> {
        let mut socket = Socket::connect(self.addr).await?;
        for _ in 0..count {
            let key = next(&self.next_key);
            self.asleep.wait().await;
            socket.open(key).await?;
            self.asleep.wait().await;
            control.stop(key).await?;
            socket.read_to_the_end().await?;
        }
        Ok(())
    }

    pub(super) async fn settle(&mut self, control: &mut Control) -> io::Result<()> {
        let settled = format!("{0} {0}", self.open);
        while control.counts().await? != settled {}
        Ok(())
    }

    pub(super) async fn ended(&mut self) {
        self.seen.farewells.reach(self.open).await;
    }
}

/// Streams that are left after their first event.
#[derive(Clone)]
pub(super) struct Visits {
    addr: SocketAddr,
    next_key: Arc<AtomicU64>,
    asleep: Asleep,
}

impl Visits {
    pub(super) async fn come_and_go(&self) -> io::Result<()> {
        self.asleep.wait().await;
        let mut socket = Socket::connect(self.addr).await?;
        self.asleep.wait().await;
        socket.open(next(&self.next_key)).await?;
        self.asleep.wait().await;
        socket.disconnect().await
    }
}

fn next(key: &AtomicU64) -> u64 {
    key.fetch_add(1, Ordering::Relaxed)
}

/// Counts what comes, until the server ends the connection.
async fn read(mut socket: Socket, seen: Arc<Seen>) {
    let mut chunk = [0; 1024];
    while let Ok(read) = socket.read(&mut chunk).await {
        let marks = |mark: char| read.iter().filter(|it| **it == mark as u8).count();
        seen.outputs.add(marks(events::OUTPUT) as u64);
        seen.farewells.add(marks(events::CLOSED) as u64);
    }
}

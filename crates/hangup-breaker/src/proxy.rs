//! A TCP proxy between a node and its engine, which stalls and cuts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards what is sent to a free port of loopback, until it is told otherwise.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    link: Arc<Link>,
    /// Ends the proxy, and all its connections, with this.
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Link {
    to: SocketAddr,
    state: watch::Sender<State>,
    /// The state becomes `Cut` after so many more requests: before their answers.
    requests_until_cut: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections are accepted, nothing is forwarded, and nothing of it is lost.
    Stalled,
    /// Connections are reset.
    Cut,
}

const NEVER: u64 = u64::MAX;

impl Proxy {
    /// A proxy to `to`.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let link = Arc::new(Link {
            to,
            state: watch::Sender::new(State::Whole),
            requests_until_cut: AtomicU64::new(NEVER),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&link)));
        Ok(Self {
            addr,
            link,
            _server: server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Forwards nothing from now on, in both directions: those at its ends notice nothing but
    /// silence.
    pub fn stall(&self) {
        self.set(State::Stalled);
    }

    /// Resets all connections, and those that come.
    pub fn cut(&self) {
        self.set(State::Cut);
    }

    /// Forwards so many more packets to the engine, and cuts before any answer to the last one.
    pub fn cut_after(&self, packets: u64) {
        self.link
            .requests_until_cut
            .store(packets, Ordering::SeqCst);
    }

    /// Waits until it has cut.
    pub async fn has_cut(&self) {
        let mut state = self.link.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| *state == State::Cut).await;
    }

    /// Forwards again: also what came while it was stalled.
    pub fn heal(&self) {
        self.set(State::Whole);
    }

    fn set(&self, state: State) {
        self.link.requests_until_cut.store(NEVER, Ordering::SeqCst);
        self.link.state.send_replace(state);
    }
}

async fn serve(listener: TcpListener, link: Arc<Link>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, _)) = accepted else { continue };
        let link = Arc::clone(&link);
        connections.spawn(async move {
            // What failed is seen at both ends.
            let _ = forward(client, &link).await;
        });
    }
}

async fn forward(mut client: TcpStream, link: &Link) -> io::Result<()> {
    // So that the end of a task is a reset, and not a farewell.
    client.set_zero_linger()?;
    client.set_nodelay(true)?;
    let mut state = link.state.subscribe();
    let is_whole = state.wait_for(|state| *state != State::Stalled).await;
    if is_whole.is_ok_and(|state| *state == State::Cut) {
        return Ok(());
    }
    let mut server = TcpStream::connect(link.to).await?;
    server.set_zero_linger()?;
    server.set_nodelay(true)?;
    // Halves that are owned would say farewell.
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let is_cut = async {
        let _ = state.wait_for(|state| *state == State::Cut).await;
    };
    tokio::select! {
        biased;
        () = is_cut => Ok(()),
        ended = pump(from_client, to_server, link, true) => ended,
        ended = pump(from_server, to_client, link, false) => ended,
    }
}

/// Forwards in one direction, while the link is whole.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    link: &Link,
    counts: bool,
) -> io::Result<()> {
    let mut state = link.state.subscribe();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        // Also the end is withheld while it is stalled.
        let _ = state.wait_for(|state| *state == State::Whole).await;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
        if counts && link.is_last() {
            link.state.send_replace(State::Cut);
        }
    }
}

impl Link {
    /// Whether the link is cut behind this packet.
    fn is_last(&self) -> bool {
        let rest = &self.requests_until_cut;
        let less = |rest: u64| (rest != NEVER && rest > 0).then(|| rest - 1);
        let before = rest.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        before == Ok(1)
    }
}

#[cfg(test)]
mod tests;

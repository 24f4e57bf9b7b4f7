//! A way to the server on which answers are lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use hangup_engines::redis::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicU64,
    /// Those up to this number swallow all.
    silent: AtomicU64,
    cut: AtomicBool,
    server: Mutex<String>,
    /// Those up to this number are closed.
    closed: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        *state.server.lock().unwrap() = server.addr();
        let proxied = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = proxied.connections.fetch_add(1, SeqCst) + 1;
                let server = proxied.server.lock().unwrap().clone();
                let server = TcpStream::connect(server).await.unwrap();
                tokio::spawn(pass(client, server, number, Arc::clone(&proxied)));
            }
        });
        Self { addr, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.addr)
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(SeqCst)
    }

    /// The next answer of the server is lost, and its connection with it.
    pub(crate) fn cut_the_next_answer(&self) {
        self.state.cut.store(true, SeqCst);
    }

    /// The connections of now stay open, and nothing comes through any more.
    pub(crate) fn silence_connections(&self) {
        let connections = self.state.connections.load(SeqCst);
        self.state.silent.store(connections, SeqCst);
    }

    /// As an address that leads to another server from now on.
    pub(crate) fn lead_to(&self, server: &RedisServer) {
        *self.state.server.lock().unwrap() = server.addr();
    }

    pub(crate) fn close_connections(&self) {
        let connections = self.state.connections.load(SeqCst);
        self.state.closed.send_replace(connections);
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, number: u64, state: Arc<State>) {
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    let mut closed = state.closed.subscribe();
    let is_silent = || number <= state.silent.load(SeqCst);
    loop {
        tokio::select! {
            () = async { drop(closed.wait_for(|&closed| number <= closed).await) } => return,
            read = client.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if is_silent() => {}
                Ok(count) => server.write_all(&asked[..count]).await.unwrap(),
            },
            read = server.read(&mut answered) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if state.cut.swap(false, SeqCst) => return,
                Ok(_) if is_silent() => {}
                Ok(count) => client.write_all(&answered[..count]).await.unwrap(),
            },
        }
    }
}

//! R27 over sockets: what was accepted before a close reaches the client, and then the
//! farewell.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures::{StreamExt, stream};
use hangup::{CloseReason, Conflict, End, Registry, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::SOON;
use crate::runtimes::Flavor;
use crate::server::{Buffers, listen};

const KEY: &str = "ada";

/// What is lost is a matter of chance.
const RUNS: usize = 200;

/// Who is connected under the one key, and how much has been taken from its queue.
#[derive(Clone)]
struct Hall {
    scope: Scope,
    members: Registry<&'static str, mpsc::Sender<String>>,
    taken: Arc<AtomicUsize>,
}

async fn events(State(hall): State<Hall>) -> Result<impl IntoResponse, String> {
    let (sender, queue) = mpsc::channel(64);
    let set_up = async {
        let mut setup = hall.scope.open()?.register()?;
        setup.take_over(&hall.members, KEY, sender).await?;
        Ok(setup.go_live()?)
    };
    let live = set_up.await.map_err(|it: hangup::Error| it.to_string())?;
    let queued = ReceiverStream::new(queue).map(move |data| {
        hall.taken.fetch_add(1, SeqCst);
        Event::default().data(data)
    });
    let greeting = stream::once(async { Event::default().data("connected") });
    let farewell = |end: End| {
        let event = Event::default().event("closed");
        Some(Ok(event.data(end.reason().to_string())))
    };
    let events = live.stream(greeting.chain(queued).map(Ok::<_, Infallible>));
    Ok(Sse::new(events.flush(64).farewell(farewell)))
}

struct Server {
    hall: Hall,
    addr: SocketAddr,
    served: JoinHandle<()>,
}

impl Server {
    fn start(buffers: Buffers) -> Self {
        let hall = Hall {
            scope: Scope::new(),
            members: Registry::new(Conflict::Replace),
            taken: Arc::default(),
        };
        let listener = listen(buffers);
        let addr = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(events));
        let router = router.with_state(hall.clone());
        let served = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { hall, addr, served }
    }

    /// A client that has been greeted.
    async fn connect(&self) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        // So that the network keeps little.
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut client = Client(socket.connect(self.addr).await.unwrap(), String::new());
        let request = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        client.0.write_all(request).await.unwrap();
        client.read_until("data: connected\n\n").await;
        client
    }

    fn accept(&self, event: impl Into<String>) {
        let member = self.hall.members.get(KEY).unwrap();
        member.try_send(event.into()).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.served.abort();
    }
}

struct Client(TcpStream, String);

impl Client {
    /// Reads until `text` has come; what follows it is kept.
    async fn read_until(&mut self, text: &str) {
        while !self.1.contains(text) {
            assert_ne!(self.read().await, 0, "no {text:?} in {:?}", self.1);
        }
    }

    async fn read(&mut self) -> usize {
        let mut bytes = vec![0; 64 * 1024];
        let read = timeout(SOON, self.0.read(&mut bytes)).await.unwrap();
        let read = read.unwrap();
        self.1
            .push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        read
    }

    /// All data of all events, to the end of the response.
    async fn data(mut self) -> Vec<String> {
        while self.read().await > 0 {}
        let (_, body) = self.1.split_once("\r\n\r\n").unwrap();
        let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.map(str::to_owned).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Close {
    /// What a `DELETE` does.
    ByKey,
    /// What a reconnect does.
    TakeOver,
    Drain,
}

impl Close {
    const ALL: [Self; 3] = [Self::ByKey, Self::TakeOver, Self::Drain];

    async fn close(self, server: &Server) -> CloseReason {
        let hall = &server.hall;
        match self {
            Self::ByKey => {
                let reason = CloseReason::App(4);
                assert_eq!(hall.members.close(KEY, reason), 1);
                reason
            }
            Self::TakeOver => {
                drop(server.connect().await);
                CloseReason::Superseded
            }
            Self::Drain => {
                hall.scope.drain(SOON).await.unwrap();
                CloseReason::Shutdown
            }
        }
    }
}

#[test]
fn r27_what_was_accepted_right_before_a_close_is_delivered() {
    for flavor in Flavor::ALL {
        for close in Close::ALL {
            let mut lost = 0;
            for _ in 0..RUNS {
                flavor.runtime().block_on(async {
                    let server = Server::start(Buffers::Small);
                    let client = server.connect().await;
                    server.accept("the last event");
                    let reason = close.close(&server).await.to_string();
                    let data = client.data().await;
                    lost += usize::from(data != ["connected", "the last event", &*reason]);
                });
            }
            println!("{flavor:?}, {close:?}: {lost} of {RUNS} lost");
            assert_eq!(lost, 0, "{flavor:?}, {close:?}");
        }
    }
}

#[test]
fn r27_a_slow_reader_gets_all_that_was_accepted_and_the_farewell() {
    const EVENTS: usize = 50;
    for flavor in Flavor::ALL {
        for close in [Close::ByKey, Close::Drain] {
            flavor.runtime().block_on(async {
                let server = Server::start(Buffers::Tiny);
                let client = server.connect().await;
                let event = |n| format!("{n} {}", "x".repeat(64 * 1024));
                for n in 0..EVENTS {
                    server.accept(event(n));
                }
                let reason = close.close(&server).await.to_string();
                let taken = server.hall.taken.load(SeqCst);
                assert!(taken < EVENTS / 2, "the transport has taken {taken}");
                let data = client.data().await;
                assert_eq!(data.len(), EVENTS + 2);
                for (n, data) in data[1..=EVENTS].iter().enumerate() {
                    assert!(*data == event(n), "event {n}");
                }
                assert_eq!(data[EVENTS + 1], reason);
            });
        }
    }
}

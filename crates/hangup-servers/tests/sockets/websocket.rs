//! R28 over sockets: a WebSocket says goodbye, and the shutdown waits for it, for a while.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures::StreamExt;
use hangup::report::ConnectionId;
use hangup::report::DrainReport;
use hangup::{Error, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite;

use crate::SOON;
use crate::runtimes::Flavor;

/// Whether the peer sees the goodbye is a matter of chance.
const RUNS: usize = 50;

/// Longer than the drain gives it.
const PATIENCE: Duration = Duration::from_secs(60);

/// `answered` counts the peers whose answer to the goodbye has come.
async fn talk(
    State((scope, answered)): State<(Scope, Arc<AtomicUsize>)>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, String> {
    let set_up = || Ok(scope.open()?.register()?);
    let setup = set_up().map_err(|it: Error| it.to_string())?;
    Ok(upgrade.on_upgrade(async move |mut socket| {
        // Only now: from here on the connection says goodbye.
        let Ok(live) = setup.go_live() else { return };
        let talk = async {
            let greeting = Message::text("hello");
            if socket.send(greeting).await.is_ok() {
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        let Err(closing) = live.run(talk).await else {
            return;
        };
        let goodbye = closing.farewell(async |end| {
            let frame = CloseFrame {
                code: 1001,
                reason: end.to_string().into(),
            };
            // An error is that the peer is gone.
            drop(socket.send(Message::Close(Some(frame))).await);
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Close(_) = message {
                    answered.fetch_add(1, SeqCst);
                }
            }
        });
        goodbye.within(PATIENCE).await;
    }))
}

/// A server that ends with its drain, with the runtime and all its tasks, as a process does.
struct Server {
    addr: SocketAddr,
    shut_down: oneshot::Sender<Duration>,
    report: mpsc::Receiver<Down>,
}

struct Down {
    report: DrainReport,
    /// What was open when the drain began.
    open: Vec<ConnectionId>,
    answered: usize,
}

impl Server {
    fn start(flavor: Flavor) -> Self {
        let (started, addr) = mpsc::channel();
        let (shut_down, deadline) = oneshot::channel();
        let (reported, report) = mpsc::channel();
        thread::spawn(move || {
            let runtime = flavor.runtime();
            let down = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let scope = Scope::new();
                let router = Router::new().route("/", any(talk));
                let answered = Arc::new(AtomicUsize::new(0));
                let router = router.with_state((scope.clone(), Arc::clone(&answered)));
                tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
                let deadline = deadline.await.unwrap();
                let open = scope.handles().iter().map(hangup::Handle::id).collect();
                let report = scope.drain(deadline).await.unwrap();
                let answered = answered.load(SeqCst);
                Down {
                    report,
                    open,
                    answered,
                }
            });
            runtime.shutdown_background();
            reported.send(down).unwrap();
        });
        Self {
            addr: addr.recv().unwrap(),
            shut_down,
            report,
        }
    }

    fn shut_down(self, deadline: Duration) -> Down {
        self.shut_down.send(deadline).unwrap();
        self.report.recv_timeout(SOON).unwrap()
    }
}

#[test]
fn r28_a_websocket_that_answers_sees_1001_in_every_shutdown() {
    for flavor in Flavor::ALL {
        let mut seen = 0;
        for _ in 0..RUNS {
            let server = Server::start(flavor);
            let addr = server.addr;
            let (greeted, is_greeted) = mpsc::channel();
            let client = thread::spawn(move || {
                Flavor::OneThread.runtime().block_on(async move {
                    let url = format!("ws://{addr}/");
                    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
                    assert!(socket.next().await.unwrap().unwrap().is_text());
                    greeted.send(()).unwrap();
                    match socket.next().await {
                        Some(Ok(tungstenite::Message::Close(Some(frame)))) => {
                            // Sends the answer.
                            while let Some(Ok(_)) = socket.next().await {}
                            (u16::from(frame.code), frame.reason.to_string())
                        }
                        other => (1006, format!("{other:?}")),
                    }
                })
            });
            is_greeted.recv_timeout(SOON).unwrap();
            let Down {
                report, answered, ..
            } = server.shut_down(SOON);
            assert_eq!((report.closed, report.forced), (1, 0));
            assert_eq!(report.abandoned, []);
            let end = client.join().unwrap();
            seen += usize::from(end == (1001, "shutdown".to_owned()) && answered == 1);
        }
        println!("{flavor:?}: 1001 seen and answered in {seen} of {RUNS}");
        assert_eq!(seen, RUNS, "{flavor:?}");
    }
}

#[test]
fn r28_a_websocket_that_never_answers_is_named_at_the_deadline_of_the_drain() {
    const DEADLINE: Duration = Duration::from_millis(300);
    for flavor in Flavor::ALL {
        let server = Server::start(flavor);
        Flavor::OneThread.runtime().block_on(async move {
            let mut deaf = TcpStream::connect(server.addr).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            deaf.write_all(request).await.unwrap();
            let mut greeting = Vec::new();
            while !greeting.ends_with(b"\r\n\r\n\x81\x05hello") {
                greeting.push(deaf.read_u8().await.unwrap());
            }
            assert!(greeting.starts_with(b"HTTP/1.1 101 "));

            let begun = Instant::now();
            let Down { report, open, .. } = server.shut_down(DEADLINE);
            let took = begun.elapsed();
            assert!(took >= DEADLINE && took < PATIENCE / 10, "{took:?}");
            assert_eq!((report.closed, report.forced), (0, 1));
            assert_eq!(report.unsettled, []);
            let cut: Vec<_> = report
                .abandoned
                .iter()
                .map(|it| (it.id, &*it.undo))
                .collect();
            assert_eq!(cut, [(open[0], "farewell")]);
        });
    }
}

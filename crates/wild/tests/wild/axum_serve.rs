//! The graceful shutdown of `axum::serve`, with an open stream.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use axum::serve::Listener;
use bytes::Bytes;
use futures::StreamExt;
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::feed::Feed;
use crate::idle::all_idle;
use crate::stage::Stage;

const SERVE: Row = Row::new("axum", "`serve` with a graceful shutdown and an open `Sse`");

/// Accepts pipes.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone)]
struct App {
    feed: Feed,
    pipes: mpsc::UnboundedSender<DuplexStream>,
    ending: CancellationToken,
    server: Arc<Mutex<Option<JoinHandle<io::Result<()>>>>>,
}

impl App {
    fn new(stage: Stage) -> Self {
        let feed = Feed::new(stage);
        let news = feed.clone();
        let handler = || async move {
            let numbers = news.subscribe().await;
            Sse::new(numbers.map(|it| Ok::<_, Infallible>(Event::default().data(it.to_string()))))
        };
        let router = Router::new().route("/", get(handler));
        let (pipes, accepted) = mpsc::unbounded_channel();
        let ending = CancellationToken::new();
        let server = axum::serve(Pipes(accepted), router)
            .with_graceful_shutdown(ending.clone().cancelled_owned());
        let server = tokio::spawn(server.into_future());
        Self {
            feed,
            pipes,
            ending,
            server: Arc::new(Mutex::new(Some(server))),
        }
    }

    /// A client of hyper, over a pipe.
    async fn events(&self) -> hyper::Result<hyper::body::Incoming> {
        let (client, server) = tokio::io::duplex(4096);
        let _: Result<_, _> = self.pipes.send(server);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
        tokio::spawn(connection);
        let request = Request::get("/").header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        Ok(sender.send_request(request).await?.into_body())
    }

    async fn shut_down(&self) {
        self.ending.cancel();
        let server = self.server.lock().unwrap().take().unwrap();
        server.await.unwrap().unwrap();
    }
}

#[test]
fn the_shutdown_waits_for_the_stream() {
    let connect = |app: App, client: Client| async move {
        if let Ok(body) = app.events().await {
            client.respond(body.into_data_stream()).await;
        }
    };
    let report = abort_everywhere(|trial: &Trial| App::new(Stage::of(trial)), connect)
        .resource("subscribers", |app| app.feed.subscribers())
        .shutdown(|app| async move { app.shut_down().await })
        .on_tokio()
        .explore()
        .unwrap();
    SERVE.found(&report, |fault| matches!(fault, Fault::NeverExits));
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_waits_for_the_stream_without_the_kit() {
    let app = App::new(Stage::without_the_kit());
    let mut body = app.events().await.unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    let mut shutdown = tokio_test::task::spawn(app.shut_down());
    assert!(shutdown.poll().is_pending());
    // A day.
    tokio::time::sleep(std::time::Duration::from_secs(86_400)).await;
    assert!(!shutdown.is_woken());
    assert!(shutdown.poll().is_pending());
    drop(body);
    all_idle().await;
    assert!(shutdown.poll().is_ready());
    SERVE.confirmed();
}

//! The graceful shutdown of `axum::serve`, whose listener accepts pipes.

use std::future::pending;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Sse};
use axum::routing::get;
use axum::serve::Listener;
use hangup_test::serve::ServerEnd;
use hangup_test::{AbortEverywhere, Client, Ending, Fault, Race, Trial, abort_everywhere};
use tokio::sync::{mpsc, watch};

use crate::app::{App, events, hello, told};

struct Pipes(mpsc::UnboundedReceiver<ServerEnd>);

impl Listener for Pipes {
    type Io = ServerEnd;
    type Addr = ();

    async fn accept(&mut self) -> (ServerEnd, ()) {
        match self.0.recv().await {
            Some(end) => (end, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A whole process: a listener, a server, and its signal.
#[derive(Clone)]
struct Process {
    app: App,
    connect: mpsc::UnboundedSender<ServerEnd>,
    stop: watch::Sender<bool>,
    exited: watch::Sender<bool>,
}

/// Waits until it is `true`.
async fn is_set(flag: watch::Sender<bool>) {
    // An error says that the sender has gone, which is here.
    let _: Result<_, _> = flag.subscribe().wait_for(|it| *it).await;
}

impl Process {
    fn start(trial: &Trial, bounded: bool) -> Self {
        let (connect, pipes) = mpsc::unbounded_channel();
        let process = Self {
            app: App::new(trial),
            connect,
            stop: watch::Sender::new(false),
            exited: watch::Sender::new(false),
        };
        let routes = Router::new().route("/events", get(answer));
        let routes = routes.with_state(process.app.clone());
        let Self {
            app, stop, exited, ..
        } = process.clone();
        trial.spawn(async move {
            let signal = is_set(stop);
            let drained = app.scope.drain_after(signal, Duration::from_secs(2));
            let server = axum::serve(Pipes(pipes), routes).with_graceful_shutdown(drained);
            if bounded {
                let _: Option<_> = app.scope.serve(server).await;
            } else {
                let _: Result<_, _> = server.await;
            }
            exited.send_replace(true);
        });
        process
    }
}

async fn answer(State(app): State<App>) -> Result<impl IntoResponse, StatusCode> {
    let refused = |_| StatusCode::SERVICE_UNAVAILABLE;
    let setup = app.set_up().await.map_err(refused)?;
    let live = setup
        .go_live()
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Sse::new(events(live.stream(hello()))))
}

fn process(bounded: bool) -> AbortEverywhere<Process> {
    let script = |process: Process, client: Client| async move {
        // It does not hold the head of the response.
        let (pipe, end) = client.pipe(64);
        let _: Result<(), _> = process.connect.send(end);
        let response = pipe.get("/events").await?;
        client.respond(response.into_body()).await;
        Ok::<_, hyper::Error>(())
    };
    abort_everywhere(move |trial: &Trial| Process::start(trial, bounded), script)
        .resource("connections", |it| it.app.scope.handles().len())
        .shutdown(|process| async move {
            process.stop.send_replace(true);
            is_set(process.exited).await;
        })
        .on_tokio()
}

#[test]
fn a_graceful_shutdown_waits_for_a_reader_that_has_stopped() {
    let report = told("axum::serve", Instant::now(), process(false));
    let races: Vec<_> = report.races().into_iter().collect();
    assert_eq!(races, [Race::R16], "{report}");
    for failure in report.failures() {
        assert_eq!(
            failure.ending(),
            Some(&Ending::StalledAtShutdown),
            "{report}"
        );
        assert_eq!(failure.fault(), &Fault::NeverExits, "{report}");
    }
}

#[test]
fn a_server_that_a_scope_bounds_exits() {
    let report = told("axum::serve, bounded", Instant::now(), process(true));
    assert!(report.is_clean(), "{report}");
    assert!(
        report.endings().contains(&Ending::StalledAtShutdown),
        "{report}"
    );
}

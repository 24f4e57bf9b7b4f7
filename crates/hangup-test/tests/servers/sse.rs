//! Server-sent events, on axum.

use std::pin::pin;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Sse};
use axum::routing::get;
use futures::StreamExt;
use futures::future::select;
use hangup_test::{AbortEverywhere, Client, Ending, Fault, Kind, Race, abort_everywhere};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::{App, ByHand, Leave, check, events, hello, sessions, told};

/// Reads `/events` to its end.
async fn read(app: Router, client: Client) -> Result<(), hyper::Error> {
    let pipe = client.serve_with_capacity(16 * 1024, app);
    let response = pipe.get("/events").await?;
    client.respond(response.into_body()).await;
    Ok(())
}

async fn on_hangup(State(app): State<App>) -> Result<impl IntoResponse, StatusCode> {
    let refused = |_| StatusCode::SERVICE_UNAVAILABLE;
    let setup = app.set_up().await.map_err(refused)?;
    let live = setup
        .go_live()
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Sse::new(events(live.stream(hello()))))
}

#[test]
fn a_server_on_hangup_is_clean() {
    let report = check("sse", |app: App, client| {
        let routes = Router::new().route("/events", get(on_hangup));
        read(routes.with_state(app), client)
    });
    let points = report.points();
    assert!(
        points.iter().any(|it| it == "a task at authenticate"),
        "{points:?}"
    );
    assert!(points.iter().any(|it| it == "item 1"), "{points:?}");
}

fn by_hand<F, R>(handler: fn(State<ByHand>) -> F) -> AbortEverywhere<ByHand>
where
    F: Future<Output = R> + Send + 'static,
    R: IntoResponse + 'static,
{
    let script = move |app: ByHand, client: Client| {
        let routes = Router::new().route("/events", get(handler));
        read(routes.with_state(app), client)
    };
    sessions(abort_everywhere(ByHand::new, script).on_tokio())
}

#[test]
fn a_handler_that_leaks_in_mid_set_up_is_r13() {
    async fn leaky(State(app): State<ByHand>) -> impl IntoResponse {
        let (id, closed) = app.enter();
        app.trial.point("load the backlog").await;
        let leave = Leave(app, id);
        let body = hello().take_until(closed.fired());
        Sse::new(events(body.inspect(move |_| _ = &leave)))
    }
    let report = told("sse, leaky", Instant::now(), by_hand(leaky));
    assert!(report.races().contains(&Race::R13), "{report}");
    let failures = report.failures().iter();
    let dropped: Vec<_> = failures
        .filter(|it| it.ending() == Some(&Ending::Dropped))
        .collect();
    // The leak ends when the guard exists.
    let [failure] = dropped[..] else {
        panic!("{report}")
    };
    assert_eq!(failure.point().1, "a task at load the backlog");
    // It is acquired before the server can know that its client has gone.
    let is_left = |fault: &Fault| match fault {
        Fault::Left {
            kind,
            name,
            after_end,
            ..
        } => *kind == Kind::Resource && name == "session" && !after_end,
        _ => false,
    };
    assert!(is_left(failure.fault()), "{report}");
}

#[test]
fn a_handler_with_its_guard_in_time_is_clean() {
    async fn tidy(State(app): State<ByHand>) -> impl IntoResponse {
        let (id, closed) = app.enter();
        let leave = Leave(app, id);
        leave.0.trial.point("load the backlog").await;
        let body = hello().take_until(closed.fired());
        Sse::new(events(body.inspect(move |_| _ = &leave)))
    }
    let tried = by_hand(tidy)
        .close(|app| async move { app.close() })
        .shutdown(|app| async move { app.shut_down().await });
    // Its body is polled while its reader does not read, so that a stall changes nothing.
    let report = told("sse, tidy", Instant::now(), tried);
    assert!(report.is_clean(), "{report}");
}

/// More than the pipe and hyper hold.
const LARGE: usize = 25_000;

/// A task sends events, and looks at the close between them.
async fn pushed(State(app): State<ByHand>) -> impl IntoResponse {
    let (id, closed) = app.enter();
    let (sender, body) = mpsc::channel(1);
    let trial = app.trial.clone();
    trial.spawn(async move {
        let _leave = Leave(app, id);
        for size in [LARGE, 1, 1] {
            if closed.has_fired() || sender.send("x".repeat(size)).await.is_err() {
                return;
            }
        }
        select(closed.fired(), pin!(sender.closed())).await;
    });
    Sse::new(events(ReceiverStream::new(body)))
}

#[test]
fn a_shutdown_that_waits_for_a_reader_that_has_stopped_is_r16() {
    let tried = by_hand(pushed).shutdown(|app| async move { app.shut_down().await });
    let report = told("sse, pushed", Instant::now(), tried);
    let stalled = |it: &Ending| *it == Ending::StalledAtShutdown;
    let failures = report.failures().iter();
    let of_stall: Vec<_> = failures
        .filter(|it| it.ending().is_some_and(stalled))
        .collect();
    assert!(!of_stall.is_empty(), "{report}");
    for failure in of_stall {
        assert_eq!(failure.race(), Some(Race::R16), "{report}");
        assert_eq!(failure.fault(), &Fault::NeverExits, "{report}");
    }
    // It ends while its client reads.
    let shutdown = |it: &Ending| *it == Ending::Shutdown;
    let mut failures = report.failures().iter();
    assert!(
        !failures.any(|it| it.ending().is_some_and(shutdown)),
        "{report}"
    );
}

//! WebSockets, on axum and tokio-tungstenite.

use std::pin::pin;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::future::{Either, select};
use futures::{SinkExt, Stream, StreamExt};
use hangup::Registering;
use hangup_test::{AbortEverywhere, Client, Ending, Failure, Fault, Kind, Race, abort_everywhere};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite;

use crate::app::{App, ByHand, Leave, check, sessions, told};

/// Reads messages until the server closes.
async fn read(app: Router, client: Client) -> Result<(), tungstenite::Error> {
    let (socket, _) = client_async("ws://localhost/news", client.serve(app)).await?;
    client.respond(socket).await;
    Ok(())
}

async fn upgrade(
    ws: WebSocketUpgrade,
    State(app): State<App>,
) -> Result<impl IntoResponse, StatusCode> {
    let refused = |_| StatusCode::SERVICE_UNAVAILABLE;
    let setup = app.set_up().await.map_err(refused)?;
    Ok(ws.on_upgrade(|socket| talk(socket, app, setup)))
}

async fn talk(socket: WebSocket, app: App, setup: Registering) {
    let Ok(live) = setup.go_live() else { return };
    let (mut sender, mut receiver) = socket.split();
    let mut news = app.news.subscribe();
    let send = async {
        while let Ok(text) = news.recv().await {
            if sender.send(text.into()).await.is_err() {
                return;
            }
        }
    };
    let receive = gone(&mut receiver);
    // An error says that it was closed: there is no goodbye.
    let _: Result<_, _> = live.run(select(pin!(send), pin!(receive))).await;
}

#[test]
fn a_server_on_hangup_is_clean() {
    check("websocket", |app: App, client| {
        let routes = Router::new().route("/news", get(upgrade));
        read(routes.with_state(app), client)
    });
}

fn by_hand<F>(talk: fn(WebSocket, ByHand) -> F) -> AbortEverywhere<ByHand>
where
    F: Future<Output = ()> + Send + 'static,
{
    let script = move |app: ByHand, client: Client| {
        let upgrade = move |ws: WebSocketUpgrade, State(app): State<ByHand>| async move {
            ws.on_upgrade(move |socket| talk(socket, app))
        };
        let routes = Router::new().route("/news", get(upgrade));
        read(routes.with_state(app), client)
    };
    sessions(abort_everywhere(ByHand::new, script))
        .close(|app| async move { app.close() })
        .on_tokio()
}

/// Returns once the socket says that the client has gone.
async fn gone(receiver: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin)) {
    while let Some(Ok(_)) = receiver.next().await {}
}

#[test]
fn a_quiet_loop_that_never_looks_at_the_close_is_r22() {
    async fn quiet(socket: WebSocket, app: ByHand) {
        let (id, closed) = app.enter();
        let mut news = app.news.subscribe();
        let _leave = Leave(app, id);
        let (mut sender, mut receiver) = socket.split();
        while !closed.has_fired() {
            // No news wakes it.
            let next = pin!(news.recv());
            let Either::Left((Ok(text), _)) = select(next, pin!(gone(&mut receiver))).await else {
                return;
            };
            if sender.send(text.into()).await.is_err() {
                return;
            }
        }
    }
    let report = told("websocket, quiet", Instant::now(), by_hand(quiet));
    let races: Vec<_> = report.races().into_iter().collect();
    assert_eq!(races, [Race::R22], "{report}");
    let mut failures = report.failures().iter();
    assert!(failures.all(|it| it.fault() == &Fault::Lingers), "{report}");
}

#[test]
fn a_loop_that_does_not_read_is_r3() {
    async fn deaf(mut socket: WebSocket, app: ByHand) {
        let (id, closed) = app.enter();
        let mut news = app.news.subscribe();
        let _leave = Leave(app, id);
        while let Ok(text) = news.recv().await {
            if closed.has_fired() || socket.send(text.into()).await.is_err() {
                return;
            }
        }
    }
    let report = told("websocket, deaf", Instant::now(), by_hand(deaf));
    let is_task = |fault: &Fault| {
        matches!(
            fault,
            Fault::Left {
                kind: Kind::Task,
                ..
            }
        )
    };
    let mut failures = report.failures().iter();
    let left = failures.find(|it| it.ending() == Some(&Ending::Dropped) && is_task(it.fault()));
    assert_eq!(left.and_then(Failure::race), Some(Race::R3), "{report}");
}

#[test]
fn a_loop_that_reads_and_looks_at_the_close_is_clean() {
    async fn loud(socket: WebSocket, app: ByHand) {
        let (id, closed) = app.enter();
        let mut news = app.news.subscribe();
        let _leave = Leave(app, id);
        let (mut sender, mut receiver) = socket.split();
        let send = pin!(async {
            while let Ok(text) = news.recv().await {
                if sender.send(text.into()).await.is_err() {
                    return;
                }
            }
        });
        let receive = pin!(gone(&mut receiver));
        select(closed.fired(), select(send, receive)).await;
    }
    let tried = by_hand(loud).shutdown(|app| async move { app.shut_down().await });
    let report = told("websocket, loud", Instant::now(), tried);
    assert!(report.is_clean(), "{report}");
}

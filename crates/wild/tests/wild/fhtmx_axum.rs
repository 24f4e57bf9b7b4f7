//! The sessions of fhtmx-axum.

use axum::extract::State;
use axum::response::IntoResponse;
use fhtmx_axum::sse::{SseState, sse_handler};
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use http_body_util::BodyExt;

use crate::idle::all_idle;

const BURST: Row = Row::known(5, "fhtmx-axum", "`sse_handler` and a burst of messages");

fn burst(app: &SseState<()>) {
    let ids: Vec<_> = app.sessions.iter().map(|it| *it.key()).collect();
    for id in ids {
        for number in 0..20 {
            app.send_message(id, number.to_string());
        }
    }
}

#[test]
fn a_burst_unregisters_a_live_session() {
    let connect = |app, client: Client| async move {
        let response = sse_handler(State(app)).await.into_response();
        client
            .respond(response.into_body().into_data_stream())
            .await;
    };
    let report = abort_everywhere(|_: &Trial| SseState::<()>::default(), connect)
        .resource("sessions", |app| app.sessions.len())
        .event("a burst", |app| async move { burst(&app) })
        .on_tokio()
        .explore()
        .unwrap();
    BURST.found(&report, |fault| matches!(fault, Fault::Missing { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_burst_unregisters_a_live_session_without_the_kit() {
    let app = SseState::<()>::default();
    let response = sse_handler(State(app.clone())).await.into_response();
    let mut body = response.into_body();
    all_idle().await;
    assert_eq!(app.sessions.len(), 1);
    burst(&app);
    assert_eq!(app.sessions.len(), 0, "the client is still there");
    let mut messages = 0;
    loop {
        let frame = body.frame().await.unwrap().unwrap();
        if frame.into_data().unwrap().starts_with(b":") {
            break; // a heartbeat: the stream goes on, with nothing to come
        }
        messages += 1;
    }
    assert_eq!(messages, 8);
    assert_eq!(app.broadcast("hello"), 0);
    BURST.confirmed();
}

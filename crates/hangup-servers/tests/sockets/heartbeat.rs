//! A client is gone, and only a write can tell.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hangup::{CloseReason, Phase};

use crate::app::Plan;
use crate::ask::{Ask, Shape, Source};
use crate::client::{Client, Death};
use crate::server::{Http, Server};

/// While bytes of a request are unread, the transport does not read on, and so does not see
/// the end either.
async fn noticed_by_a_heartbeat(http: Http) {
    for (shape, beat) in [(Shape::Stream, "beat\n"), (Shape::Body, ":\n\n")] {
        for death in Death::ALL {
            let plan = Plan {
                heartbeat: Duration::from_millis(100),
                ..Plan::default()
            };
            let server = Server::start(http, plan).await;
            let source = Source::Quiet;
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nand so on",
                Ask { shape, source }.path(),
                server.addr(),
            );
            let mut client = Client::send(server.addr(), request.as_bytes()).await;
            client.expect(beat).await;
            let beats = Arc::clone(&server.app.beats);
            let before = beats.load(Ordering::Relaxed);
            client.die(death).await;
            let dropped = (Phase::Live, CloseReason::Dropped, 1);
            server.until_nothing_is_left(&[dropped]).await;
            if shape == Shape::Stream {
                // It was not the transport that noticed.
                assert!(beats.load(Ordering::Relaxed) > before);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_finds_a_dead_client_that_axum_does_not_see() {
    noticed_by_a_heartbeat(Http::Axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_finds_a_dead_client_that_hyper_does_not_see() {
    noticed_by_a_heartbeat(Http::One).await;
}

//! Clients that are slow, or have nothing to read, are left alone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hangup::{CloseReason, Deadlines, Phase};
use tokio::time::{Instant, sleep};

use crate::app::Plan;
use crate::ask::{Shape, Source};
use crate::client::Death;
use crate::on_every_server;
use crate::seen::Ended;
use crate::server::{Http, Server};

/// Two of them.
const DROPPED: Ended = (Phase::Live, CloseReason::Dropped, 2);

on_every_server! {
    async fn a_slow_client_is_not_stalled(http: Http) {
        let stall = Duration::from_secs(1);
        let plan = Plan {
            deadlines: Deadlines::new().stall(stall),
            ..Plan::default()
        };
        let server = Server::start(http, plan).await;
        let mut clients = Vec::new();
        for shape in Shape::ALL {
            clients.push(server.connect(shape, Source::Flood).await);
        }
        let begun = Instant::now();
        let mut read = 0;
        while begun.elapsed() < stall * 5 / 2 {
            for client in &mut clients {
                read += client.read_slowly(5, Duration::from_millis(5)).await;
            }
        }
        // They were held up by their clients, and never for long.
        let sent = server.app.sent.load(Ordering::Relaxed);
        assert!(sent < read + 4 * 1024 * 1024, "{sent} sent, {read} read");
        assert_eq!(server.app.scope.stats().live, 2);
        for client in clients {
            client.die(Death::Close).await;
        }
        server.until_nothing_is_left(&[DROPPED]).await;
    }

    async fn a_quiet_stream_is_not_stalled(http: Http) {
        for heartbeat in [Duration::from_secs(3600), Duration::from_millis(10)] {
            let stall = Duration::from_millis(200);
            let plan = Plan {
                deadlines: Deadlines::new().stall(stall),
                heartbeat,
                ..Plan::default()
            };
            let server = Server::start(http, plan).await;
            let mut clients = Vec::new();
            for shape in Shape::ALL {
                clients.push(server.connect(shape, Source::Quiet).await);
            }
            // The time in which nothing may happen.
            sleep(stall * 4).await;
            let stats = server.app.scope.stats();
            assert_eq!((stats.live, stats.settling), (2, 0), "{stats:?}");
            for client in clients {
                client.die(Death::Close).await;
            }
            server.until_nothing_is_left(&[DROPPED]).await;
        }
    }
}

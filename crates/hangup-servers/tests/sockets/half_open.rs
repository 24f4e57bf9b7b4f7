//! The client is there, and does not read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hangup::{CloseReason, Deadlines, Phase};

use crate::app::{ITEM, Plan};
use crate::ask::{Shape, Source};
use crate::client::Death;
use crate::on_every_server;
use crate::seen::{Ended, Seen};
use crate::server::{Buffers, Http, Server};

const STALLED: Ended = (Phase::Live, CloseReason::Stalled, 1);

fn plan() -> Plan {
    Plan {
        deadlines: Deadlines::new().stall(Duration::from_millis(200)),
        ..Plan::default()
    }
}

/// Waits until it is undone while its socket is open: there is nothing but what is in the
/// body, if the server holds that.
async fn until_stalled(server: &Server) -> Seen {
    let seen = server.until("stalled", Seen::is_settled).await;
    server.app.assert_closed(&seen, &[STALLED]);
    server
        .until("given back", |seen| {
            seen.alive.keys().all(|what| in_body(what))
        })
        .await
}

fn in_body(what: &str) -> bool {
    ["body", "source", "heartbeat"].contains(&what)
}

/// More than any server keeps for one client: it is not asked for more, nor does it let go
/// of the body.
const BIG: &[u8] = &[b'x'; 1024 * 1024];

on_every_server! {
    async fn a_client_that_stops_reading_is_stalled_and_then_leaves_nothing(http: Http) {
        for shape in Shape::ALL {
            for death in Death::ALL {
                let plan = Plan {
                    item: Bytes::from_static(BIG),
                    ..plan()
                };
                let server = Server::start_with(http, plan, Buffers::Tiny).await;
                let client = server.connect(shape, Source::Flood).await;
                client.stop_reading();
                let seen = until_stalled(&server).await;
                assert_eq!((seen.alive("body"), seen.alive("source")), (1, 1));
                let heartbeats = usize::from(shape == Shape::Stream);
                assert_eq!(seen.alive("heartbeat"), heartbeats);
                client.die(death).await;
                server.until_nothing_is_left(&[STALLED]).await;
            }
        }
    }

    /// However late that is, nothing comes between what was on its way and the farewell.
    async fn a_stalled_client_that_reads_on_is_told_why_it_ends(http: Http) {
        for shape in Shape::ALL {
            let server = Server::start_with(http, plan(), Buffers::Small).await;
            let mut client = server.connect(shape, Source::Flood).await;
            client.stop_reading();
            until_stalled(&server).await;
            let sent = server.app.sent.load(Ordering::Relaxed);
            client.read_on();
            let received = client.rest().await;
            assert_eq!(received.matches("bye: stalled\n").count(), 1);
            assert_eq!(received.matches('x').count(), sent);
            client.die(Death::Close).await;
            server.until_nothing_is_left(&[STALLED]).await;
        }
    }

    /// The heartbeats are what it does not read.
    async fn a_quiet_stream_whose_heartbeats_nobody_reads_is_stalled(http: Http) {
        let beating = Plan {
            heartbeat: Duration::from_millis(1),
            beat: Bytes::from_static(&[b'b'; ITEM]),
            ..plan()
        };
        let server = Server::start_with(http, beating, Buffers::Tiny).await;
        let client = server.connect(Shape::Stream, Source::Quiet).await;
        client.stop_reading();
        until_stalled(&server).await;
        client.die(Death::Close).await;
        server.until_nothing_is_left(&[STALLED]).await;
    }
}

/// It reads its socket, and answers pings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_open_its_http2_window_again_is_stalled() {
    for shape in Shape::ALL {
        for death in Death::ALL {
            let server = Server::start_with(Http::Two, plan(), Buffers::Small).await;
            let client = server.connect(shape, Source::Flood).await;
            until_stalled(&server).await;
            client.die(death).await;
            server.until_nothing_is_left(&[STALLED]).await;
        }
    }
}

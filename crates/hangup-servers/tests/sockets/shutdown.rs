//! The server goes, with streams open.

use std::sync::Arc;
use std::time::Duration;

use hangup::{CloseReason, OpenError, Phase};

use crate::SOON;
use crate::app::Plan;
use crate::ask::{Shape, Source};
use crate::client::Death;
use crate::on_every_server;
use crate::seen::Seen;
use crate::server::{Buffers, Http, Server, Shutdown, until_forgotten};

const ORDERS: [Shutdown; 2] = [Shutdown::DrainFirst, Shutdown::Together];
/// No task is left once the server has ended: these scopes have no deadlines, so none
/// sweeps.
const IDLE: usize = 0;
/// Far longer than it takes to undo what does not hang.
const DEADLINE: Duration = Duration::from_secs(2);

on_every_server! {
    async fn every_stream_says_farewell_and_the_server_ends(http: Http) {
        for how in ORDERS {
            let server = Server::start(http, Plan::default()).await;
            let mut clients = Vec::new();
            for shape in Shape::ALL {
                for source in [Source::Quiet, Source::Flood] {
                    clients.push(server.connect(shape, source).await);
                }
            }
            let mut set_up = server.open(Shape::Body, Source::SetUp).await;
            server.until("in the step", |seen| seen.alive("step") == 1).await;

            let reading = tokio::spawn(async move {
                for client in &mut clients {
                    let received = client.rest().await;
                    assert_eq!(received.matches("bye: shutdown\n").count(), 1);
                }
                set_up.expect("503 Service Unavailable").await;
                set_up.expect("closed while registering: shutdown\n").await;
            });
            let down = server.shut_down(how, SOON).await;
            assert!(down.took < SOON, "{:?}", down.took);
            assert_eq!((down.report.closed, down.report.forced), (5, 0));
            assert_eq!((down.report.abandoned, down.report.unsettled), (vec![], vec![]));
            assert!(Seen::of(&down.app).is_settled());
            assert_eq!(down.app.scope.open().unwrap_err(), OpenError::Draining);

            reading.await.unwrap();
            let closed = |from, count| (from, CloseReason::Shutdown, count);
            let closed = [closed(Phase::Live, 4), closed(Phase::Registering, 1)];
            down.app.until_nothing_is_left(IDLE, &closed).await;
            until_forgotten(down.app).await;
        }
    }

    async fn the_report_names_the_undo_that_overran_the_deadline(http: Http) {
        for how in ORDERS {
            let plan = Plan {
                undo_hangs: true,
                ..Plan::default()
            };
            let server = Server::start(http, plan).await;
            let mut quick = server.connect(Shape::Stream, Source::Quiet).await;
            let others = server.app.scope.handles();
            let mut hanging = server.connect(Shape::Body, Source::Quiet).await;
            let mut handles = server.app.scope.handles();
            handles.retain(|handle| !others.contains(handle));
            let reading = tokio::spawn(async move {
                for client in [&mut quick, &mut hanging] {
                    assert!(client.rest().await.contains("bye: shutdown\n"));
                }
            });

            let down = server.shut_down(how, DEADLINE).await;
            assert!(down.took < SOON, "{:?}", down.took);
            let report = down.report;
            assert_eq!((report.closed, report.forced), (1, 1));
            assert_eq!(report.unsettled, []);
            let overrun: Vec<_> = report.abandoned.iter().map(|it| (it.id, &*it.undo)).collect();
            assert_eq!(overrun, [(handles[0].id(), "second")]);

            reading.await.unwrap();
            let seen = down
                .app
                .until("empty", |seen| seen.alive.is_empty() && seen.tasks == IDLE)
                .await;
            // The older ones ran all the same.
            assert!(seen.is_settled(), "{seen:#?}");
            assert_eq!((seen.stats.undos_run, seen.stats.undos_abandoned), (8, 1));
            drop((others, handles));
            until_forgotten(down.app).await;
        }
    }

    /// Its farewell does not leave, but everything is undone; the server itself waits for the
    /// transport.
    async fn a_drain_does_not_wait_for_a_client_that_does_not_read(http: Http) {
        for how in ORDERS {
            let server = Server::start_with(http, Plan::default(), Buffers::Tiny).await;
            let deaf = server.connect(Shape::Stream, Source::Flood).await;
            deaf.stop_reading();
            let app = Arc::clone(&server.app);
            let going = tokio::spawn(server.shut_down(how, SOON));
            let seen = app.until("settled", Seen::is_settled).await;
            let closed = [(Phase::Live, CloseReason::Shutdown, 1)];
            app.assert_closed(&seen, &closed);

            deaf.die(Death::Close).await;
            let report = going.await.unwrap().report;
            assert_eq!((report.closed, report.forced), (1, 0));
            app.until_nothing_is_left(IDLE, &closed).await;
            until_forgotten(app).await;
        }
    }
}

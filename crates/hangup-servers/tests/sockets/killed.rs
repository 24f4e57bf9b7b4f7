//! The client is gone, and the transport notices.

use hangup::{CloseReason, Phase};

use crate::app::{PERMITS, Plan};
use crate::ask::{Shape, Source};
use crate::client::Death;
use crate::on_every_server;
use crate::seen::Seen;
use crate::server::{Http, Server};

on_every_server! {
    async fn nothing_is_left_of_a_quiet_stream(http: Http) {
        for (shape, death) in cases() {
            let server = Server::start(http, Plan::default()).await;
            let client = server.connect(shape, Source::Quiet).await;
            let seen = Seen::of(&server.app);
            assert_eq!((seen.stats.live, seen.members), (1, 1));
            assert_eq!((seen.permits, seen.alive("signal")), (PERMITS - 1, 1));
            assert_eq!((seen.alive("task"), seen.alive("source")), (2, 1));
            assert_eq!(seen.alive("heartbeat"), usize::from(shape == Shape::Stream));

            client.die(death).await;
            let dropped = (Phase::Live, CloseReason::Dropped, 1);
            server.until_nothing_is_left(&[dropped]).await;
        }
    }

    async fn nothing_is_left_of_a_stream_in_full_flow(http: Http) {
        for (shape, death) in cases() {
            let server = Server::start(http, Plan::default()).await;
            let client = server.connect(shape, Source::Flood).await;
            client.die(death).await;
            let dropped = (Phase::Live, CloseReason::Dropped, 1);
            server.until_nothing_is_left(&[dropped]).await;
        }
    }

    async fn nothing_is_left_of_a_set_up_whose_client_is_gone(http: Http) {
        for (shape, death) in cases() {
            let server = Server::start(http, Plan::default()).await;
            let client = server.open(shape, Source::SetUp).await;
            server.until("in the step", |seen| seen.alive("step") == 1).await;
            let seen = Seen::of(&server.app);
            assert_eq!((seen.stats.registering, seen.members), (1, 0));
            assert_eq!((seen.alive("task"), seen.alive("signal")), (1, 1));

            client.die(death).await;
            let dropped = (Phase::Registering, CloseReason::Dropped, 1);
            server.until_nothing_is_left(&[dropped]).await;
        }
    }

    async fn one_that_dies_takes_no_other_with_it(http: Http) {
        let server = Server::start(http, Plan::default()).await;
        let mut others = Vec::new();
        for shape in Shape::ALL {
            others.push(server.connect(shape, Source::Quiet).await);
        }
        let victim = server.connect(Shape::Stream, Source::Quiet).await;
        victim.die(Death::Reset).await;
        server.until("one less", |seen| seen.permits == PERMITS - 2).await;
        let seen = Seen::of(&server.app);
        assert_eq!((seen.stats.live, seen.members), (2, 2));
        assert_eq!((seen.alive("task"), seen.alive("signal")), (4, 2));
        for client in others {
            client.die(Death::Close).await;
        }
        let dropped = (Phase::Live, CloseReason::Dropped, 3);
        server.until_nothing_is_left(&[dropped]).await;
    }

    /// The token aborts, and is listened to until then: the client is told.
    async fn an_abort_reaches_the_client(http: Http) {
        let server = Server::start(http, Plan::default()).await;
        let mut live = server.connect(Shape::Stream, Source::Quiet).await;
        let mut set_up = server.open(Shape::Body, Source::SetUp).await;
        server.until("in the step", |seen| seen.alive("step") == 1).await;

        server.app.token.cancel();
        live.expect("bye: aborted\n").await;
        set_up.expect("503 Service Unavailable").await;
        live.rest().await;
        live.die(Death::Close).await;
        set_up.die(Death::Close).await;
        let aborted = |from| (from, CloseReason::Aborted, 1);
        server
            .until_nothing_is_left(&[aborted(Phase::Live), aborted(Phase::Registering)])
            .await;
    }
}

fn cases() -> impl Iterator<Item = (Shape, Death)> {
    Shape::ALL
        .into_iter()
        .flat_map(|shape| Death::ALL.map(|death| (shape, death)))
}

/// Its connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_an_http2_stream_that_is_reset() {
    for shape in Shape::ALL {
        for source in [Source::Quiet, Source::Flood, Source::SetUp] {
            let server = Server::start(Http::Two, Plan::default()).await;
            let mut client = server.open(shape, source).await;
            let phase = if source == Source::SetUp {
                server
                    .until("in the step", |seen| seen.alive("step") == 1)
                    .await;
                Phase::Registering
            } else {
                client.expect("connected\n").await;
                Phase::Live
            };
            client.cancel();
            let dropped = [(phase, CloseReason::Dropped, 1)];
            let seen = server.until("gone", Seen::is_settled).await;
            server.app.assert_closed(&seen, &dropped);
            server
                .until("let go of", |seen| seen.alive.is_empty())
                .await;
            client.die(Death::Close).await;
            server.until_nothing_is_left(&dropped).await;
        }
    }
}

//! A response that was sent is complete, however the server found out that it was.

use hangup::{CloseReason, Phase};

use crate::app::Plan;
use crate::ask::{Shape, Source};
use crate::client::Death;
use crate::on_every_server;
use crate::seen::{Ended, Seen};
use crate::server::{Http, Server};

const COMPLETED: Ended = (Phase::Live, CloseReason::Completed, 1);

/// While the client is there, for the next request.
async fn completes(http: Http, shape: Shape, source: Source, last: &str) {
    let server = Server::start(http, Plan::default()).await;
    let mut client = server.open(shape, source).await;
    client.expect(last).await;
    let seen = server.until("ended", Seen::is_settled).await;
    server.app.assert_closed(&seen, &[COMPLETED]);
    server
        .until("let go of", |seen| seen.alive.is_empty())
        .await;
    client.die(Death::Close).await;
    server.until_nothing_is_left(&[COMPLETED]).await;
}

on_every_server! {
    async fn a_stream_that_ends(http: Http) {
        for shape in Shape::ALL {
            completes(http, shape, Source::Short, "connected\n").await;
        }
    }

    async fn a_body_of_known_length(http: Http) {
        completes(http, Shape::Body, Source::Whole, "connected\n").await;
    }

    async fn a_body_with_nothing_in_it(http: Http) {
        completes(http, Shape::Body, Source::Empty, "200 OK\r\n").await;
    }

    async fn a_body_that_ends_with_trailers(http: Http) {
        completes(http, Shape::Body, Source::Trailers, "connected\n").await;
    }
}

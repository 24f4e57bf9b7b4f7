//! Whole servers, real sockets, and what becomes of the client: it is killed, it resets,
//! it stops reading, the server shuts down. In the end nothing is left of it.
//!
//! Each test of these runs on axum, on hyper's HTTP/1.1 and on hyper's HTTP/2. Apart from them:
//! what was accepted before a close, and the goodbye of a WebSocket.

#[path = "../../../../tests/support/census.rs"]
mod census;
#[path = "../../../../tests/support/log.rs"]
mod log;

mod accepted;
mod app;
mod ask;
mod client;
mod complete;
mod half_open;
mod healthy;
mod heartbeat;
mod killed;
mod runtimes;
mod seen;
mod server;
mod shutdown;
mod websocket;

use std::time::Duration;

/// For what must happen soon: far more than it takes, far less than for ever.
const SOON: Duration = Duration::from_secs(20);

/// One test on each server.
macro_rules! on_every_server {
    ($($(#[$doc:meta])* async fn $name:ident($http:ident: Http) $body:block)+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn on($http: Http) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn axum() {
                on(Http::Axum).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn http1() {
                on(Http::One).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn http2() {
                on(Http::Two).await;
            }
        }
    )+};
}
use on_every_server;

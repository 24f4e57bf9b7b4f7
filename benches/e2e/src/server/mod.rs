//! A server: axum, on one thread.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /events/KEY` | opens a stream and registers it under the key; an older one ends |
//! | `DELETE /events/KEY` | ends the stream with a farewell |
//! | `POST /events` | publishes an event to all streams |
//! | `GET /counts` | how many are registered, and how many are not undone yet |
//!
//! SIGTERM and SIGINT end it: each stream has its farewell first.

mod by_hand;
mod on_hangup;

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::io;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use tokio::net::TcpListener;

use crate::mode::Mode;
use on_hangup::{AT_ONCE, PACED};

/// A stream that is quiet says something after so long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A shutdown takes no longer.
const DRAIN: Duration = Duration::from_secs(10);
/// How many events a stream may be behind.
const BEHIND: usize = 64;

/// The one of std, not randomly keyed, so that counts repeat.
type Hashes = BuildHasherDefault<DefaultHasher>;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn serve(mode: Mode) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // An event is not to wait until the one before it is acknowledged.
    let listener = listener.tap_io(|socket| {
        // `Err` if the client has gone: what is written next says so.
        let _: io::Result<()> = socket.set_nodelay(true);
    });
    match mode {
        Mode::ByHand => by_hand::mpsc::serve(listener).await,
        Mode::ByHandBroadcast => by_hand::broadcast::serve(listener).await,
        Mode::Hangup => on_hangup::mpsc::serve(listener, PACED).await,
        Mode::HangupAtOnce => on_hangup::mpsc::serve(listener, AT_ONCE).await,
        Mode::HangupBroadcast => on_hangup::broadcast::serve(listener).await,
        Mode::Topic => on_hangup::topic::serve(listener).await,
    }
}

/// Says where the server listens. From here on a signal does not kill it.
fn announce(listener: &impl Listener<Addr = std::net::SocketAddr>) -> io::Result<()> {
    println!("{}", listener.local_addr()?);
    Ok(())
}

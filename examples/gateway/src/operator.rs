//! Who may see the console of this example: a browser on this machine, which asks for it by an
//! address of this machine. A real server asks for a session.

use std::net::SocketAddr;

use axum::http::header::HOST;
use axum::http::request::Parts;
use hangup::Scope;
use hangup_console::{Console, ConsoleObserver};

/// The console of a gateway that listens on `addr`.
pub(crate) fn console(scope: &Scope, observer: &ConsoleObserver, addr: SocketAddr) -> Console {
    Console::builder(scope.clone())
        .title("gateway")
        .observer(observer)
        .allow(move |head| addr.ip().is_loopback() && names_this_machine(head))
        .build()
}

/// A name of another site may lead here too, and then its pages read what is here.
fn names_this_machine(head: &Parts) -> bool {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    matches!(name, Some("localhost" | "127.0.0.1" | "[::1]"))
}

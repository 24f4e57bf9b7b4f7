//! The sockets of engineioxide: what is acquired in `on_connect` and released in
//! `on_disconnect`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use engineioxide::config::EngineIoConfig;
use engineioxide::handler::EngineIoHandler;
use engineioxide::service::EngineIoService;
use engineioxide::{DisconnectReason, Socket, Str};
use hangup_test::{Client, Trial, abort_everywhere};
use hangup_wild::Row;

use crate::polling::Polling;

const SOCKETS: Row = Row::new(
    "engineioxide",
    "`on_connect` and `on_disconnect` of a polling client",
);

#[derive(Debug, Default)]
struct Online(AtomicUsize);

impl EngineIoHandler for Online {
    type Data = ();

    fn on_connect(self: Arc<Self>, _: Arc<Socket<()>>) {
        self.0.fetch_add(1, SeqCst);
    }

    fn on_disconnect(&self, _: Arc<Socket<()>>, _: DisconnectReason) {
        self.0.fetch_sub(1, SeqCst);
    }

    fn on_message(self: &Arc<Self>, _: Str, _: Arc<Socket<()>>) {}

    fn on_binary(self: &Arc<Self>, _: bytes::Bytes, _: Arc<Socket<()>>) {}
}

#[test]
fn each_socket_that_connects_disconnects_once() {
    let connect = |online: Arc<Online>, client: Client| async move {
        // A client that is gone is noticed within the patience of the kit.
        let config = EngineIoConfig::builder()
            .ping_interval(Duration::from_secs(200))
            .ping_timeout(Duration::from_secs(50))
            .build();
        let service = EngineIoService::with_config(online, config);
        let session = Polling::open(service, "engine.io").await;
        client.respond(session.packets()).await;
    };
    let report = abort_everywhere(|_: &Trial| Arc::<Online>::default(), connect)
        .resource("online", |online| online.0.load(SeqCst))
        .on_tokio()
        .explore()
        .unwrap();
    SOCKETS.clean(&report, 40);
}

//! The cap of tarpc on the channels of one key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::channel::mpsc;
use futures::{FutureExt, StreamExt};
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use tarpc::server::BaseChannel;
use tarpc::server::incoming::Incoming;
use tarpc::transport::channel::{UnboundedChannel, unbounded};
use tarpc::{ClientMessage, Response};

const CAP: Row = Row::new(
    "tarpc",
    "`max_channels_per_key(1)` and a client that reconnects",
);

type Transport = UnboundedChannel<ClientMessage<String>, Response<String>>;
type Channel = BaseChannel<String, String, Transport>;

/// The server's end of a channel. The client has the other one.
fn channel() -> (
    Channel,
    UnboundedChannel<Response<String>, ClientMessage<String>>,
) {
    let (client, server) = unbounded();
    (BaseChannel::with_defaults(server), client)
}

fn key(_: &Channel) -> String {
    "ada".into()
}

#[derive(Clone)]
struct App {
    accept: mpsc::UnboundedSender<Channel>,
    open: Arc<AtomicUsize>,
}

impl App {
    fn new(trial: &Trial) -> Self {
        let (accept, incoming) = mpsc::unbounded();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        let tasks = trial.clone();
        trial.spawn(async move {
            let mut admitted = Box::pin(incoming.max_channels_per_key(1, key));
            while let Some(mut channel) = admitted.next().await {
                counted.fetch_add(1, SeqCst);
                let counted = Arc::clone(&counted);
                // Serves the channel until its client is gone.
                tasks.spawn(async move {
                    while channel.next().await.is_some() {}
                    drop(channel);
                    counted.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { accept, open }
    }
}

#[test]
fn the_cap_is_exceeded() {
    let connect = |app: App, client: Client| async move {
        // Connects, and reconnects.
        for attempt in ["first", "second"] {
            let (server, channel) = channel();
            app.accept.unbounded_send(server).unwrap();
            client.trial().point(format!("{attempt} attempt")).await;
            if attempt == "second" {
                client.respond(channel).await;
            }
        }
    };
    let report = abort_everywhere(App::new, connect)
        .resource("channels", |app| app.open.load(SeqCst))
        .at_most(1, "channels")
        .on_tokio()
        .explore()
        .unwrap();
    CAP.found(&report, |fault| matches!(fault, Fault::OverCap { .. }));
}

#[test]
fn the_cap_is_exceeded_without_the_kit() {
    let (accept, incoming) = mpsc::unbounded();
    let mut admitted = Box::pin(incoming.max_channels_per_key(1, key));
    let mut offer = || {
        accept.unbounded_send(channel().0).unwrap();
        admitted.next().now_or_never().map(Option::unwrap)
    };
    let first = offer();
    assert!(first.is_some());
    assert!(offer().is_none(), "the cap is 1");
    // The client reconnects before the listener is polled.
    drop(first);
    let second = offer();
    assert!(second.is_some());
    let third = offer();
    assert!(third.is_some(), "the cap is kept");
    drop((second, third));
    CAP.confirmed();
}

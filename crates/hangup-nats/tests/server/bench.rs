//! What the tests stand on.

use std::time::Duration;

use futures_util::StreamExt;
use hangup_cluster::engine::{Claims, EngineError, LogEvent, LogStream, Revision, Swapped};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::async_nats::jetstream::Context;
use hangup_nats::async_nats::{self, jetstream};
use hangup_nats::{MIN_LOG_ITEMS, Nats, NatsBuilder};
use tokio::time::{sleep, timeout};

/// More than anything takes that is not to fail.
pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const SECOND: Option<Duration> = Some(Duration::from_secs(1));

pub(crate) fn server() -> NatsServer {
    NatsServer::start(NatsOptions::default())
}

pub(crate) fn builder(server: &NatsServer) -> NatsBuilder {
    Nats::builder(server.url()).log_items(MIN_LOG_ITEMS)
}

/// An engine that has adopted.
pub(crate) async fn engine(server: &NatsServer) -> Nats {
    let nats = builder(server).connect().await.unwrap();
    nats.adopt().await.unwrap();
    nats
}

/// The streams by another client.
pub(crate) async fn raw(server: &NatsServer) -> Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

pub(crate) async fn write(
    nats: &Nats,
    name: &str,
    expected: Option<Revision>,
    ttl: Option<Duration>,
) -> Revision {
    match nats
        .swap(name, expected, b"value".to_vec(), ttl)
        .await
        .unwrap()
    {
        Swapped::Done(revision) => revision,
        Swapped::Conflict => panic!("{name} has another revision than {expected:?}"),
    }
}

/// Asks until there is an answer that is not `Unknown`: after a lost connection.
pub(crate) async fn known<T>(
    mut ask: impl AsyncFnMut() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    eventually(async || match ask().await {
        Err(EngineError::Unknown(_)) => None,
        answer => Some(answer),
    })
    .await
}

/// Asks until there is something.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, asking).await.expect("it comes in time")
}

/// The next event of a reader.
pub(crate) async fn next(read: &mut LogStream) -> Result<LogEvent, EngineError> {
    let event = timeout(LONG, read.next()).await.expect("an event in time");
    event.expect("a reader has no end")
}

pub(crate) fn unknown<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> String {
    match answer {
        Err(EngineError::Unknown(why)) => why.to_string(),
        answer => panic!("not unknown: {answer:?}"),
    }
}

pub(crate) fn assert_forgotten<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    assert!(
        matches!(answer, Err(EngineError::Forgotten)),
        "not forgotten: {answer:?}"
    );
}

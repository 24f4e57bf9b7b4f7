//! What the tests stand on.

use std::time::Duration;

use hangup_cluster::engine::{Claims, EngineError, Revision, Swapped};
use hangup_engines::redis::RedisServer;
use hangup_redis::redis::{Client, FromRedisValue, cmd};
use hangup_redis::{Builder, Redis};
use tokio::time::{sleep, timeout};

/// More than anything takes that is not to fail.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn builder(server: &RedisServer) -> Builder {
    Redis::builder(server.url())
}

/// An engine that has adopted.
pub(crate) async fn engine(server: &RedisServer) -> Redis {
    adopted(builder(server)).await
}

pub(crate) async fn adopted(builder: Builder) -> Redis {
    let redis = builder.connect().await.unwrap();
    redis.adopt().await.unwrap();
    redis
}

/// An engine that gives its calls up after so short a time that also one to a server that answers
/// may be given up, on a busy machine.
pub(crate) async fn hasty(builder: Builder) -> Redis {
    let redis = builder.build().unwrap();
    known(async || redis.adopt().await).await.unwrap();
    redis
}

/// A command of another client.
pub(crate) fn raw<T: FromRedisValue>(server: &RedisServer, command: &str) -> T {
    let mut words = command.split(' ');
    let mut asked = cmd(words.next().unwrap());
    for word in words {
        asked.arg(word);
    }
    let client = Client::open(server.url()).unwrap();
    asked.query(&mut client.get_connection().unwrap()).unwrap()
}

pub(crate) async fn write(
    redis: &Redis,
    name: &str,
    expected: Option<Revision>,
    value: &str,
    ttl: Option<Duration>,
) -> Revision {
    match redis.swap(name, expected, value.into(), ttl).await.unwrap() {
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
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, asking).await.expect("it comes in time")
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

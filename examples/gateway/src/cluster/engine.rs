//! The engine that the nodes share.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hangup_cluster::engine::{Claims, Hints, Log};
use hangup_cluster::memory::Memory;
use hangup_nats::Nats;
use hangup_redis::Redis;

/// How long a call of the engine may take at most.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// In this process: for a cluster of one node, to try it.
    Memory,
    /// One server, or several, with commas between.
    Nats(String),
    Redis(String),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        match url.split_once("://") {
            None if url == "memory" => Ok(Self::Memory),
            Some(("nats", _)) => Ok(Self::Nats(url.to_owned())),
            Some(("redis" | "valkey", _)) => Ok(Self::Redis(url.to_owned())),
            _ => Err(format!(
                "--cluster takes `nats://HOST:PORT,...`, `redis://HOST:PORT` or `memory`, not `{url}`"
            )),
        }
    }

    /// With a lease of this length: a renewal whose answer is lost is tried again before it has run
    /// out.
    pub(crate) async fn connect(&self, lease: Duration) -> io::Result<Engine> {
        let timeout = (lease / 3).min(TIMEOUT);
        match self {
            Self::Memory => Ok(Engine::new(Memory::on_current().map_err(io::Error::other)?)),
            Self::Nats(urls) => {
                // Each server that is named keeps everything.
                let replicas = urls.split(',').count();
                let nats = Nats::builder(urls).replicas(replicas).timeout(timeout);
                Ok(Engine::new(nats.connect().await.map_err(io::Error::other)?))
            }
            Self::Redis(url) => {
                let redis = Redis::builder(&url[..]).timeout(timeout);
                Ok(Engine::new(
                    redis.connect().await.map_err(io::Error::other)?,
                ))
            }
        }
    }
}

/// What a node does with its engine.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(super) claims: Arc<dyn Claims>,
    pub(super) hints: Arc<dyn Hints>,
    pub(super) log: Arc<dyn Log>,
}

impl Engine {
    pub(crate) fn new<E: Claims + Hints + Log>(engine: E) -> Self {
        let engine = Arc::new(engine);
        Self {
            claims: engine.clone(),
            hints: engine.clone(),
            log: engine,
        }
    }
}

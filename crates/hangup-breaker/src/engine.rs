//! The engines that a cluster runs on, as servers that are killed and started again.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hangup_cluster::engine::{Claims, Hints, Log};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_nats::Nats;
use hangup_redis::Redis;
use tokio::task::block_in_place;

use crate::failure::Failure;

/// A connection to an engine.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) claims: Arc<dyn Claims>,
    pub(crate) hints: Arc<dyn Hints>,
    pub(crate) log: Arc<dyn Log>,
}

impl Connected {
    fn of(engine: impl Claims + Hints + Log) -> Self {
        let engine = Arc::new(engine);
        Self {
            claims: Arc::clone(&engine) as _,
            hints: Arc::clone(&engine) as _,
            log: engine,
        }
    }
}

/// A kind of engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NATS, with files: what it acknowledged is there after a kill.
    Nats,
    /// Three NATS servers, which keep everything three times.
    ThreeNats,
    /// Redis, which writes all that it acknowledges to its disk.
    Redis,
    /// Redis as it comes: what it acknowledged is lost when it is killed.
    Forgetful,
}

impl Kind {
    /// Those of one server that keeps what it acknowledges.
    pub const BOTH: [Self; 2] = [Self::Nats, Self::Redis];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::ThreeNats => "NATS R3",
            Self::Redis => "Redis",
            Self::Forgetful => "Redis without persistence",
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Nats | Self::ThreeNats => "nats",
            Self::Redis | Self::Forgetful => "redis",
        }
    }
}

/// An engine that runs: one server or several. They are killed when this is dropped.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    servers: Vec<Server>,
}

#[derive(Debug)]
enum Server {
    Nats(NatsServer),
    Redis(RedisServer),
}

impl Engine {
    /// Starts one, on loopback.
    ///
    /// # Panics
    ///
    /// If there is none and none can be installed, or it does not start.
    #[must_use]
    pub fn start(kind: Kind) -> Self {
        let options = NatsOptions::default();
        let servers = block_in_place(|| match kind {
            Kind::Nats => vec![Server::Nats(NatsServer::start(options))],
            Kind::ThreeNats => NatsServer::start_three(options).map(Server::Nats).into(),
            Kind::Redis => vec![Server::Redis(RedisServer::start(Persistence::Always))],
            Kind::Forgetful => vec![Server::Redis(RedisServer::start(Persistence::Default))],
        });
        Self { kind, servers }
    }

    /// Where its first server listens.
    ///
    /// # Panics
    ///
    /// Never: it is an address of loopback.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.servers[0].addr()
    }

    /// The addresses of its servers, as a node is told them: with commas between.
    #[must_use]
    pub fn url(&self) -> String {
        let servers = self.servers.iter();
        let urls: Vec<_> = servers.map(|server| self.url_at(server.addr())).collect();
        urls.join(",")
    }

    /// The address of something before it that forwards to it, as a node is told it.
    #[must_use]
    pub fn url_at(&self, addr: SocketAddr) -> String {
        format!("{}://{addr}", self.kind.scheme())
    }

    /// Connects to it, as a node does.
    pub(crate) async fn connect(&self) -> Result<Connected, Failure> {
        let failed = |error: Box<dyn Error + Send + Sync>| Failure::from(io::Error::other(error));
        match self.kind {
            Kind::Nats | Kind::ThreeNats => {
                let nats = Nats::builder(self.url()).replicas(self.servers.len());
                let nats = nats.connect().await;
                Ok(Connected::of(nats.map_err(|error| failed(error.into()))?))
            }
            Kind::Redis | Kind::Forgetful => {
                let redis = Redis::connect(self.url()).await;
                Ok(Connected::of(redis.map_err(|error| failed(error.into()))?))
            }
        }
    }

    /// Kills its first server with SIGKILL.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn kill(&mut self) {
        self.kill_one(0);
    }

    /// Starts its first server again after [`kill`](Self::kill), with the same files.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.restart_one(0);
    }

    /// How many servers it has.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Kills the server of this number with SIGKILL.
    ///
    /// # Panics
    ///
    /// If it does not run, or there is none.
    pub fn kill_one(&mut self, number: usize) {
        block_in_place(|| match &mut self.servers[number] {
            Server::Nats(server) => server.kill(),
            Server::Redis(server) => server.kill(),
        });
    }

    /// Starts the server of this number again, with the same files.
    ///
    /// # Panics
    ///
    /// If it does not start, or there is none.
    pub fn restart_one(&mut self, number: usize) {
        block_in_place(|| match &mut self.servers[number] {
            Server::Nats(server) => server.restart(),
            Server::Redis(server) => server.restart(),
        });
    }
}

impl Server {
    fn addr(&self) -> SocketAddr {
        let addr = match self {
            Self::Nats(server) => server.addr(),
            Self::Redis(server) => server.addr(),
        };
        addr.parse().expect("an address of loopback")
    }
}

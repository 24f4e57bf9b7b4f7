//! What every scenario needs: an engine, the resource, and nodes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::node::Node;
use crate::process::Process;
use crate::proxy::Proxy;
use crate::resource::{Judge, Resource, Told};
use crate::stream::Streams;

/// The lease of all nodes.
pub const LEASE: Duration = Duration::from_secs(3);
/// A key of a node that died is free for others after one lease; what it takes them to see it.
pub const FREE: Duration = Duration::from_millis(3300);
/// How long something may take that is to happen at once: far more than it takes, far less than for
/// ever.
pub const SOON: Duration = Duration::from_secs(20);

/// What all scenarios of a run have in common.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The server under test.
    pub gateway: PathBuf,
    /// What it is told besides, on its command line.
    pub more: Vec<String>,
    /// The kind of engine.
    pub kind: Kind,
    /// Whether it may take longer, for more rounds.
    pub is_long: bool,
}

/// An engine, and the resource that its keys guard.
#[derive(Debug)]
pub struct Stage {
    lab: Lab,
    /// The engine.
    pub engine: Engine,
    /// The resource.
    pub resource: Resource,
}

impl Lab {
    /// An engine of this kind, and a resource.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn stage(&self) -> Result<Stage, Failure> {
        self.stage_on(self.kind).await
    }

    /// An engine of `kind`, and a resource.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn stage_on(&self, kind: Kind) -> Result<Stage, Failure> {
        Ok(Stage {
            lab: self.clone(),
            engine: Engine::start(kind),
            resource: Resource::start().await?,
        })
    }

    /// Starts a node of the cluster whose engine is at `url`.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn node(
        &self,
        name: &str,
        url: &str,
        resource: &Resource,
        more: &[&str],
    ) -> Result<Node, Failure> {
        let job_router = resource.url();
        let lease = LEASE.as_secs().to_string();
        let arguments = [
            ["--addr", "127.0.0.1:0"],
            ["--cluster", url],
            ["--node", name],
            ["--lease", &lease],
            ["--job-router", &job_router],
        ];
        let arguments = arguments.as_flattened().iter().chain(more);
        let arguments = arguments.map(ToString::to_string);
        let arguments: Vec<_> = arguments.chain(self.more.iter().cloned()).collect();
        let ready = |line: &str| {
            let addr = line.strip_prefix("listening on http://")?;
            addr.parse::<SocketAddr>().ok()
        };
        let (process, addr) = Process::start(&self.gateway, &arguments, ready).await?;
        Ok(Node::new(process, name.to_owned(), addr))
    }
}

impl Stage {
    /// Starts a node.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn node(&self, name: &str) -> Result<Node, Failure> {
        self.node_with(name, &[]).await
    }

    /// Starts a node with more arguments.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn node_with(&self, name: &str, more: &[&str]) -> Result<Node, Failure> {
        let url = self.engine.url();
        self.lab.node(name, &url, &self.resource, more).await
    }

    /// Starts a node, with a proxy between it and the engine.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn node_behind_proxy(&self, name: &str) -> Result<(Node, Proxy), Failure> {
        let proxy = Proxy::start(self.engine.addr()).await?;
        let url = self.engine.url_at(proxy.addr());
        let node = self.lab.node(name, &url, &self.resource, &[]).await?;
        Ok((node, proxy))
    }
}

/// The names of `count` workers.
#[must_use]
pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number}"))
        .collect()
}

/// How many of the keys `names` have an owner inside that is a connection of `node`, and was told
/// `told`.
#[must_use]
pub fn owned(judge: &Judge, names: &[String], node: &Node, told: Option<Told>) -> usize {
    let is_owned = |name: &&String| {
        let last = judge.last(name);
        judge.is_inside(name)
            && last.is_some_and(|entry| {
                node.is_of(&entry.owner) && told.is_none_or(|told| entry.predecessor == told)
            })
    };
    names.iter().filter(is_owned).count()
}

/// Fails unless all of them are live soon: what a scenario begins with.
pub(crate) async fn all_live(streams: &Streams) -> Result<(), Failure> {
    match streams.live(SOON).await {
        live if live == streams.0.len() => Ok(()),
        live => Err(Failure::Unexpected(format!(
            "{live} of {} streams are live to begin with: {}",
            streams.0.len(),
            streams.first_failure().unwrap_or_default()
        ))),
    }
}

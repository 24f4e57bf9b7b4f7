//! How a node is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hangup::runtime::{self, NoRuntime, Runtime};

use crate::cluster::Cluster;
use crate::engine::{Claims, Hints, Log};
use crate::error::JoinError;
use crate::node::{Parts, Timing, join, keep, watch};

/// Builds a [`Cluster`]. Made by [`Cluster::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct ClusterBuilder {
    claims: Arc<dyn Claims>,
    hints: Arc<dyn Hints>,
    log: Arc<dyn Log>,
    runtime: Option<Arc<dyn Runtime>>,
    name: Option<String>,
    lease: Duration,
    margin: Option<Duration>,
    poll: Duration,
    note: Box<dyn Fn() -> String + Send + Sync>,
}

impl Cluster {
    /// A builder of a node on this engine.
    pub fn builder<E>(engine: E) -> ClusterBuilder
    where
        E: Claims + Hints + Log,
    {
        let engine = Arc::new(engine);
        Self::builder_on(engine.clone(), engine.clone(), engine)
    }

    /// A builder of a node whose claims, hints and events are on different engines.
    pub fn builder_on(
        claims: Arc<dyn Claims>,
        hints: Arc<dyn Hints>,
        log: Arc<dyn Log>,
    ) -> ClusterBuilder {
        ClusterBuilder::new(claims, hints, log)
    }
}

impl ClusterBuilder {
    fn new(claims: Arc<dyn Claims>, hints: Arc<dyn Hints>, log: Arc<dyn Log>) -> Self {
        Self {
            claims,
            hints,
            log,
            runtime: None,
            name: None,
            lease: Duration::from_secs(15),
            margin: None,
            poll: Duration::from_millis(100),
            note: Box::new(String::new),
        }
    }

    /// The name of this node, for people. Two nodes may have one name.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long this node keeps its keys without a word to the engine: after that they are free for
    /// others. Fifteen seconds, unless it is said.
    ///
    /// Longer than an engine takes to elect a leader. It is renewed after a third of it, and a renewal
    /// that has no answer after a sixth is tried again. All nodes of a cluster have the same.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// By how much earlier this node takes its lease to have run out than the engine does: a tenth
    /// of the lease, unless it is said, and no less.
    ///
    /// It is for clocks that run at different speeds, and an undo that is shorter has ended before
    /// a successor can come.
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// How long a newcomer waits for a hint that it owns the key before it looks by itself: 100
    /// milliseconds, unless it is said.
    pub fn poll_every(mut self, period: Duration) -> Self {
        self.poll = period;
        self
    }

    /// What the node says of itself with each renewal, for [`Cluster::nodes`]: numbers for a page
    /// about the whole cluster. It is called by the task that renews, and must not block. If it
    /// panics, the note is empty.
    pub fn note<F>(mut self, note: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.note = Box::new(note);
        self
    }

    /// The runtime of the node's tasks and timers. Without this, it is
    /// [that of the thread](hangup::runtime) that builds.
    pub fn runtime<R>(mut self, runtime: R) -> Self
    where
        R: Runtime + 'static,
    {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Joins the cluster: the node has its lease when this returns.
    ///
    /// # Errors
    ///
    /// - [`JoinError::Engine`] if the engine does not answer.
    /// - [`JoinError::NoRuntime`] without a runtime.
    /// - [`JoinError::Setting`] for a lease below 30 milliseconds, a margin below a tenth of the
    ///   lease or above a half of it, or no time between two looks.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the engine may know a session that ends with its lease.
    pub async fn build(self) -> Result<Cluster, JoinError> {
        let margin = self.margin.unwrap_or(self.lease / 10);
        if self.lease < Duration::from_millis(30) {
            return Err(JoinError::Setting("a lease is 30 milliseconds or longer"));
        }
        if margin < self.lease / 10 || margin > self.lease / 2 {
            let words = "a margin is a tenth of the lease or more, and a half of it at most";
            return Err(JoinError::Setting(words));
        }
        if self.poll.is_zero() {
            return Err(JoinError::Setting("the time between two looks is not zero"));
        }
        let runtime = self.runtime.or_else(runtime::current).ok_or(NoRuntime)?;
        let parts = Parts {
            claims: self.claims,
            hints: self.hints,
            runtime: Arc::clone(&runtime),
            name: self.name.unwrap_or_else(|| "node".to_owned()).into(),
            timing: Timing {
                lease: self.lease,
                margin,
                poll: self.poll,
            },
            note: self.note,
        };
        let (node, keeping) = join(parts).await?;
        runtime.spawn(Box::pin(keep(Arc::clone(&node), keeping)));
        runtime.spawn(Box::pin(watch(Arc::clone(&node))));
        Ok(Cluster::new(node, self.log))
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder")
            .field("name", &self.name)
            .field("lease", &self.lease)
            .field("margin", &self.margin)
            .finish_non_exhaustive()
    }
}

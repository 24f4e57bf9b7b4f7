//! What the command line can say of a cluster.

use std::time::Duration;

use super::engine::Address;
use super::job_router::RemoteRouter;

/// How this node is to be in its cluster.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// `None` if this gateway is alone.
    pub(crate) engine: Option<Address>,
    pub(crate) node: String,
    pub(crate) lease: Duration,
    /// A tenth of the lease, if it is not said.
    pub(crate) margin: Option<Duration>,
    /// Without it each node has a router of its own.
    pub(crate) job_router: Option<RemoteRouter>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: None,
            node: "gateway".to_owned(),
            // Longer than an engine takes to elect a leader.
            lease: Duration::from_secs(15),
            margin: None,
            job_router: None,
        }
    }
}

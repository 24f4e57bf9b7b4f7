//! Being counted under a key while a connection is live.

use hangup::{Closed, Live};

use crate::cluster::ClusterKey;

/// Counts live connections under keys of a cluster.
pub trait LiveExt {
    /// Counts this connection under `key` until it closes, for all nodes to
    /// [see](crate::Cluster::count). Any number of connections may be present under one key.
    ///
    /// It does not wait for the engine: a node tells the engine how many of its connections are
    /// live under the key, in one write for all that come and go in the meantime. So others see it a
    /// moment later. When the node dies,
    /// its connections are counted no longer than its lease.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has closed. It is not counted then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after it was polled, the connection is counted.
    fn present(&mut self, key: &ClusterKey) -> impl Future<Output = Result<(), Closed>> + Send;
}

impl LiveExt for Live {
    fn present(&mut self, key: &ClusterKey) -> impl Future<Output = Result<(), Closed>> + Send {
        // The cluster's clone: this connection is a reason to stay in it.
        let (entering, leaving) = (key.clone(), key.clone());
        let enter = async move { entering.cluster().node().arrive(entering.key()) };
        let exit = move || leaving.cluster().node().depart(leaving.key());
        // The undo is registered right before the one poll in which it enters.
        self.step(enter).undo(exit)
    }
}

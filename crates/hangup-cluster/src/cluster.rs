//! A node of a cluster, as its server has it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hangup::CloseReason;
use hangup::report::ConnectionId;
use hangup::topic::Cursor;

use crate::engine::{EngineError, Log};
use crate::epoch::Epoch;
use crate::fan_out::{Topics, TopicsBuilder};
use crate::hint::Hint;
use crate::key::{Key, KeyTooLong};
use crate::node::{Node, NodeInfo, nodes};
use crate::record::{ClaimRecord, Seat};

/// A node of a cluster. Cheap to clone: it goes into the state of a server.
///
/// It has one lease, however many keys its connections have claimed: while it lasts, no other node
/// can own what this one owns.
///
/// To drop the last clone, and the last connection that has a claim, leaves the cluster in the
/// background: [`leave`](Self::leave) waits for it.
#[derive(Clone)]
pub struct Cluster {
    owner: Arc<Owner>,
    log: Arc<dyn Log>,
}

/// Leaves when it is dropped.
struct Owner(Arc<Node>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.begin_to_leave();
    }
}

impl Cluster {
    pub(crate) fn new(node: Arc<Node>, log: Arc<dyn Log>) -> Self {
        let owner = Arc::new(Owner(node));
        Self { owner, log }
    }

    /// A builder of the topics of this cluster, on the engine and the runtime of this node, whose
    /// items `decode` turns into events: build them once, beside the cluster.
    pub fn topics<T, F>(&self, decode: F) -> TopicsBuilder<T>
    where
        F: Fn(Cursor, &[u8]) -> T + Send + Sync + 'static,
    {
        let runtime = Arc::clone(&self.node().parts.runtime);
        Topics::builder(Arc::clone(&self.log), decode).runtime(runtime)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.owner.0
    }

    /// The name of this node.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.node().parts.name
    }

    /// The present session of this node: another one after each start, and after each loss of the
    /// lease. With the name and the [id](hangup::report::ConnectionId) it names a connection for logs.
    #[must_use]
    pub fn session(&self) -> String {
        self.node().session().id.to_string()
    }

    /// Whether this node has its lease now. Without it, it claims nothing.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.node().session().lease.is_valid()
    }

    /// How many keys the connections of this node have claimed, or are claiming or releasing.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.node().seats()
    }

    /// The key with this name among those of `kind`, in this cluster.
    ///
    /// # Errors
    ///
    /// As [`Key::new`].
    pub fn key(
        &self,
        kind: impl AsRef<[u8]>,
        name: impl AsRef<[u8]>,
    ) -> Result<ClusterKey, KeyTooLong> {
        Ok(ClusterKey {
            cluster: self.clone(),
            key: Key::new(kind, name)?,
        })
    }

    /// Who owns `key` now, on whichever node. `None` if there is no owner, or its node's lease has
    /// run out.
    ///
    /// It is what the engine knew at one instant, and may be stale when it is looked at. A
    /// connection owns its key from within its set-up on.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn whereis(&self, key: impl AsRef<Key>) -> Result<Option<Location>, EngineError> {
        Ok(self
            .owner(key.as_ref())
            .await?
            .map(|(seat, epoch)| Location {
                node: seat.node,
                session: seat.session.to_string(),
                connection: seat.connection.parse().ok(),
                epoch,
            }))
    }

    /// How many live connections of all nodes are [present](crate::LiveExt::present) under `key`.
    ///
    /// It is what the engine knew at one instant, and may be stale when it is looked at.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn count(&self, key: impl AsRef<Key>) -> Result<u64, EngineError> {
        let present = self.node().presence(key.as_ref()).await?;
        Ok(present.into_iter().map(|(_, live)| live).sum())
    }

    /// Asks the owner of `key`, on whichever node, to close for `reason`. Returns whether there was
    /// one.
    ///
    /// It asks again until that owner is gone, and returns when it is, or when `at_most` has passed
    /// and it is not: it may be asked and not have settled.
    ///
    /// # Errors
    ///
    /// [`CloseError::Unsettled`] when the time has passed, and what the engine says.
    pub async fn close(
        &self,
        key: impl AsRef<Key>,
        reason: CloseReason,
        at_most: Duration,
    ) -> Result<bool, CloseError> {
        let key = key.as_ref();
        let Some((first, _)) = self.owner(key).await? else {
            return Ok(false);
        };
        let hint = Hint::Close {
            key: key.encoded().to_owned(),
            seat: first.clone(),
            reason: reason.to_string(),
            words: None,
        };
        let now = || self.node().parts.runtime.now();
        let end = now() + at_most;
        loop {
            self.node().tell(&first.session, &hint).await;
            let rest = end.saturating_duration_since(now());
            self.node().sleep(rest.min(self.node().timing().poll)).await;
            match self.owner(key).await? {
                Some((owner, _)) if owner == first => {}
                _ => return Ok(true),
            }
            if rest.is_zero() {
                return Err(CloseError::Unsettled);
            }
        }
    }

    async fn owner(&self, key: &Key) -> Result<Option<(Seat, Epoch)>, EngineError> {
        let loaded = self.node().load_claim(&key.claim()).await?;
        let Some((record, revision)) = loaded else {
            return Ok(None);
        };
        let epoch = record.epoch_at(revision);
        let ClaimRecord {
            owner: Some(owner), ..
        } = record
        else {
            return Ok(None);
        };
        let session = self.node().load_session(&owner.session).await?;
        let is_alive = session.is_some_and(|session| session.is_alive());
        Ok(is_alive.then_some((owner, epoch)))
    }

    /// The nodes that are in the cluster: those whose lease has not run out.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, EngineError> {
        nodes(self.node()).await
    }

    /// Tells the cluster that this node is about to leave, for those who look at
    /// [`nodes`](Self::nodes): a balancer sends no new clients. What is connected stays. It is there
    /// with the next renewal, which is made at once.
    pub fn begin_drain(&self) {
        self.node().begin_drain();
    }

    /// Leaves the cluster: after a [drain](hangup::Scope::drain).
    ///
    /// This is no drain: what still has a key is closed as [`Shutdown`](CloseReason::Shutdown), and is
    /// waited for as long as the [margin](crate::ClusterBuilder::margin). Then one write says that this node is gone, so
    /// that all its keys are free at once: to newcomers their owner has settled if that is so, and
    /// is unsettled if something was not undone in this time.
    ///
    /// If the engine does not answer, it returns after one lease, when the keys are free in any
    /// case.
    pub async fn leave(&self) {
        self.node().leave().await;
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name())
            .field("session", &self.session())
            .field("claims", &self.claims())
            .finish_non_exhaustive()
    }
}

/// A [`Key`] in a [`Cluster`]: it dereferences to the key. Made by [`Cluster::key`].
#[derive(Clone)]
pub struct ClusterKey {
    cluster: Cluster,
    key: Key,
}

impl ClusterKey {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

impl std::ops::Deref for ClusterKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

impl AsRef<Key> for ClusterKey {
    fn as_ref(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// Where the owner of a key is. Returned by [`Cluster::whereis`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The name of its node.
    pub node: String,
    /// The session of its node.
    pub session: String,
    /// The connection, on its node; `None` if another version names it in another way.
    pub connection: Option<ConnectionId>,
    /// The epoch of its claim.
    pub epoch: Epoch,
}

/// An owner was not closed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// It was asked, and has not settled in time.
    #[error("the owner of the key has not settled in time")]
    Unsettled,
    /// The engine does not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

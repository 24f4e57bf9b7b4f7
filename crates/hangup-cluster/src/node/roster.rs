//! Which nodes there are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::state::{Node, Timing};
use crate::engine::{EngineError, Swapped};
use crate::record::{SessionId, SessionState};

/// A node that is in the cluster. Returned by [`Cluster::nodes`](crate::Cluster::nodes).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Its session: another one after each start, and after each loss of the lease.
    pub session: String,
    /// Whether it is [about to leave](crate::Cluster::begin_drain).
    pub draining: bool,
    /// What it said of itself with its latest renewal: see [`note`](crate::ClusterBuilder::note).
    pub note: String,
}

/// The sessions that have joined, in the record of that name. Those that are over are dropped by
/// the next one that joins.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Roster {
    sessions: Vec<SessionId>,
}

const RECORD: &str = "n";
/// There for one lease after the engine has begun.
const BIRTH: &str = "b";

/// The nodes whose lease has not run out.
pub(crate) async fn nodes(node: &Node) -> Result<Vec<NodeInfo>, EngineError> {
    let Some(record) = node.parts.claims.load(RECORD).await? else {
        return Ok(Vec::new());
    };
    let roster = parse(&record.value)?;
    Ok(living(node, roster)
        .await?
        .into_iter()
        .map(|(_, info)| info)
        .collect())
}

async fn living(node: &Node, roster: Roster) -> Result<Vec<(SessionId, NodeInfo)>, EngineError> {
    let mut nodes = Vec::new();
    for id in roster.sessions {
        if let Some(session) = node.load_session(&id).await?.filter(|it| it.is_alive()) {
            let info = NodeInfo {
                name: session.node,
                session: id.to_string(),
                draining: session.state == SessionState::Draining,
                note: session.note,
            };
            nodes.push((id, info));
        }
    }
    Ok(nodes)
}

fn parse(value: &[u8]) -> Result<Roster, EngineError> {
    serde_json::from_slice(value).map_err(EngineError::unknown)
}

impl Node {
    /// Whether the engine has begun, or forgotten everything, within the last lease: then what it
    /// knows of no owner may have one. The roster is the first record that a cluster writes.
    pub(super) async fn is_young(&self) -> Result<bool, EngineError> {
        let claims = &self.parts.claims;
        if claims.load(RECORD).await?.is_none() {
            let lease = Some(self.timing().lease);
            // A conflict says that another node has found the same.
            claims.swap(BIRTH, None, Vec::new(), lease).await?;
            return Ok(true);
        }
        Ok(claims.load(BIRTH).await?.is_some())
    }

    /// Writes the session into the roster.
    pub(super) async fn enlist(&self, session: &Arc<Session>) -> Result<(), EngineError> {
        let claims = &self.parts.claims;
        loop {
            let (expected, roster) = match claims.load(RECORD).await? {
                None => (None, Roster::default()),
                Some(record) => (Some(record.revision), parse(&record.value)?),
            };
            if roster.sessions.contains(&session.id) {
                return Ok(());
            }
            let mut sessions: Vec<_> = living(self, roster)
                .await?
                .into_iter()
                .map(|(id, _)| id)
                .collect();
            sessions.push(session.id.clone());
            let roster = serde_json::to_vec(&Roster { sessions });
            let roster = roster.expect("it has no maps with keys that are no text");
            // Written anew whenever a node joins.
            let ttl = Some(Timing::REMEMBER.saturating_mul(365));
            match claims.swap(RECORD, expected, roster, ttl).await? {
                Swapped::Done(_) => return Ok(()),
                Swapped::Conflict => {}
            }
        }
    }
}

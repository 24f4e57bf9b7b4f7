//! Which agents may stream.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The agents that may stream: those that the gateway was told, until they are revoked, or all.
pub(crate) struct Permissions(Option<Mutex<BTreeSet<String>>>);

impl Permissions {
    pub(crate) fn new(agents: Option<BTreeSet<String>>) -> Self {
        Self(agents.map(Mutex::new))
    }

    /// The answer takes `latency` to come, as from a database: it says what was so when it was
    /// asked for, and the agent may be revoked since.
    pub(crate) async fn permit(&self, agent: &str, latency: Duration) -> bool {
        let permitted = self.0.as_ref().is_none_or(|agents| {
            let agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.contains(agent)
        });
        tokio::time::sleep(latency).await;
        permitted
    }

    /// Whether it could stream until now. Has no effect if all agents may stream: who was revoked
    /// would have to be remembered for every name that a client invents.
    pub(crate) fn revoke(&self, agent: &str) -> bool {
        self.0.as_ref().is_some_and(|agents| {
            let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.remove(agent)
        })
    }
}

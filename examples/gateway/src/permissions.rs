//! Which agents may stream.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The agents that may stream: those that the gateway was told, until they are revoked, or all.
pub(crate) struct Permissions(Option<Mutex<BTreeSet<String>>>);

impl Permissions {
    pub(crate) fn new(agents: Option<BTreeSet<String>>) -> Self {
        Self(agents.map(Mutex::new))
    }

    pub(crate) fn permit(&self, agent: &str) -> bool {
        let agents = self.0.as_ref();
        agents.is_none_or(|agents| {
            let agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.contains(agent)
        })
    }

    /// Has no effect if all agents may stream: who was revoked would have to be remembered for
    /// every name that a client invents.
    pub(crate) fn revoke(&self, agent: &str) {
        if let Some(agents) = &self.0 {
            let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.remove(agent);
        }
    }
}

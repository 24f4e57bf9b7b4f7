//! How many live connections of each node there are under a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::state::Node;
use crate::engine::{EngineError, Swapped};
use crate::key::Key;
use crate::record::SessionId;

/// The sessions that have live connections under a key. Those that are over are left out by readers,
/// and dropped by the next one that writes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct PresenceRecord {
    live: BTreeMap<SessionId, u64>,
}

/// How many entries a record has before those that are over are looked for.
const FEW: usize = 4;

impl Node {
    /// A connection is live under `key` from now on.
    pub(crate) fn arrive(self: &Arc<Self>, key: &Key) {
        self.change(key, |live| live + 1);
    }

    pub(crate) fn depart(self: &Arc<Self>, key: &Key) {
        self.change(key, |live| live.saturating_sub(1));
    }

    fn change(self: &Arc<Self>, key: &Key, change: impl FnOnce(u64) -> u64) {
        if !self.present.change(key, change) {
            return;
        }
        let (node, key) = (Arc::clone(self), key.clone());
        let runtime = Arc::clone(&self.parts.runtime);
        runtime.spawn(Box::pin(async move { node.write_presence(key).await }));
    }

    /// Writes the count until the engine knows the latest one.
    async fn write_presence(self: Arc<Self>, key: Key) {
        let mut failures = 0;
        loop {
            let session = self.session();
            let live = self.present.live(&key);
            let written = match session.lease.is_lost() {
                // The next session writes all anew.
                true => Ok(()),
                false => self.try_write_presence(&session, &key, live).await,
            };
            match written {
                Ok(()) => failures = 0,
                Err(_) => {
                    failures += 1;
                    self.sleep(self.timing().retry(failures)).await;
                    continue;
                }
            }
            // Under the lock: a session that comes after this finds that nothing writes the key.
            let is_current = || Arc::ptr_eq(&session, &self.session());
            if self.present.is_written(&key, live, is_current) {
                return;
            }
        }
    }

    async fn try_write_presence(
        &self,
        session: &Session,
        key: &Key,
        live: u64,
    ) -> Result<(), EngineError> {
        let (claims, name) = (&self.parts.claims, key.presence());
        loop {
            let (expected, mut record) = match claims.load(&name).await? {
                None => (None, PresenceRecord::default()),
                Some(record) => (Some(record.revision), parse(&record.value)?),
            };
            if record.live.len() > FEW {
                record.live = self.of_the_living(record.live).await?;
            }
            match live {
                0 => record.live.remove(&session.id),
                live => record.live.insert(session.id.clone(), live),
            };
            // A record of none may as well be absent.
            let ttl = record.live.is_empty().then(|| self.timing().lease);
            let value = serde_json::to_vec(&record).expect("its keys are texts");
            match claims.swap(&name, expected, value, ttl).await? {
                Swapped::Done(_) => return Ok(()),
                Swapped::Conflict => {}
            }
        }
    }

    /// Each node that has live connections under `key`, and how many these are.
    pub(crate) async fn presence(&self, key: &Key) -> Result<Vec<(SessionId, u64)>, EngineError> {
        match self.parts.claims.load(&key.presence()).await? {
            None => Ok(Vec::new()),
            Some(record) => {
                let living = self.of_the_living(parse(&record.value)?.live).await?;
                Ok(living.into_iter().collect())
            }
        }
    }

    async fn of_the_living(
        &self,
        all: BTreeMap<SessionId, u64>,
    ) -> Result<BTreeMap<SessionId, u64>, EngineError> {
        let mut living = BTreeMap::new();
        for (id, live) in all {
            let session = self.load_session(&id).await?;
            if session.is_some_and(|session| session.is_alive()) {
                living.insert(id, live);
            }
        }
        Ok(living)
    }

    /// A new session has written nothing yet.
    pub(super) fn write_all_presences(self: &Arc<Self>) {
        let mut after = None;
        loop {
            let portion = self.present.portion(after.as_ref());
            portion.iter().for_each(|key| self.change(key, |live| live));
            match portion.into_iter().last() {
                Some(last) => after = Some(last),
                None => return,
            }
        }
    }
}

fn parse(value: &[u8]) -> Result<PresenceRecord, EngineError> {
    serde_json::from_slice(value).map_err(EngineError::unknown)
}

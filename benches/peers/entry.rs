//! Keyed membership as it is written by hand.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use dashmap::DashMap;
use tokio_util::sync::CancellationToken;

/// The members by their keys, for others to find and to cancel.
pub(crate) type Members<K, S = RandomState> = Arc<DashMap<K, CancellationToken, S>>;

/// A member's place in the map, which it leaves when this is dropped.
///
/// It leaves by its key, whoever has it then: a token cannot be compared with another. So
/// it is quicker than it should be where a newcomer takes over a key.
pub(crate) struct Entry<K, S = RandomState>
where
    K: Hash + Eq,
    S: BuildHasher + Clone,
{
    members: Members<K, S>,
    key: K,
}

impl<K, S> Entry<K, S>
where
    K: Hash + Eq + Clone,
    S: BuildHasher + Clone,
{
    /// Takes the place under `key`, and cancels whoever had it.
    pub(crate) fn insert(members: &Members<K, S>, key: K, token: &CancellationToken) -> Self {
        if let Some(replaced) = members.insert(key.clone(), token.clone()) {
            replaced.cancel();
        }
        Self {
            members: Arc::clone(members),
            key,
        }
    }
}

impl<K, S> Drop for Entry<K, S>
where
    K: Hash + Eq,
    S: BuildHasher + Clone,
{
    fn drop(&mut self) {
        self.members.remove(&self.key);
    }
}

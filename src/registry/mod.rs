//! Keyed members, visible exactly while they are live.
//!
//! A slot is inserted before its connection goes live and removed when the connection
//! settles, so the table has more slots than a lookup may show. A lookup reads the words of
//! the connections to decide what it shows (I3).

mod slot;
mod bucket;
mod table;
mod last_close;
mod member;
mod hooks;
mod claim;
mod builder;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::state::{CloseReason, Closed};
use crate::sync::MutexGuard;
use crate::sync::shards::Shards;

use bucket::Bucket;
use hooks::Hooks;
use last_close::LastCloses;
use slot::Slot;
use table::Table;

pub use builder::RegistryBuilder;
pub(crate) use claim::DynPredecessors;
pub use member::Member;

#[cfg(not(hangup_loom))]
use std::hash::RandomState;
/// Without random keys: a repeated execution of a model must take the same steps.
#[cfg(hangup_loom)]
type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Members under keys: connections with a value each, for lookups to find.
///
/// A lookup returns a member only if it was live at one instant during the call. There is
/// no `remove`: a member disappears from all its registries at once, in the instant in
/// which its connection closes. Nothing that is done for one connection affects another
/// under the same key.
///
/// No lock is held while the caller uses what it found, so a loop over a registry may look
/// up, join and close. Only `Hash`, `Eq` and `Borrow` of keys are called by a lookup, `Eq`
/// and `Borrow` under a lock: they must not use the registry.
///
/// Cheap to clone; all clones are the same registry. A registry keeps no connection open,
/// and dropping it closes none. It keeps nothing for a key that no connection holds, unless
/// it was told to [remember](RegistryBuilder::remember_closes) closes, and gives memory
/// back after a burst. An empty registry takes a few kilobytes, more on machines with many
/// cores: use one for each kind of key, not one for each room.
///
/// `S` hashes the keys, as in `HashMap`: see
/// [`with_hasher`](Registry::with_hasher).
///
/// # A take-over and the conflict policy
///
/// | | [`join`](crate::Registering::join) | [`take_over`](crate::Registering::take_over) |
/// |---|---|---|
/// | [`Conflict::Replace`] | closes the holders when it goes live | closes the holders and waits until they have settled |
/// | [`Conflict::Reject`] | [`KeyError::Taken`](crate::KeyError::Taken) if one is open | the same |
/// | [`Conflict::Share`] | [`KeyError::Full`](crate::KeyError::Full) if too many are open | the same |
///
/// # Examples
///
/// ```
/// use hangup::{CloseReason, Conflict, Registry, Scope};
///
/// let scope = Scope::new();
/// let workers: Registry<String, u32> = Registry::new(Conflict::Replace);
///
/// let mut setup = scope.open()?.register()?;
/// setup.join(&workers, "ada".to_owned(), 7)?;
/// assert!(workers.get("ada").is_none(), "not live yet");
///
/// let live = setup.go_live()?;
/// let ada = workers.get("ada").unwrap();
/// assert_eq!(*ada, 7);
///
/// ada.handle().close(CloseReason::Idle)?;
/// assert!(workers.get("ada").is_none());
/// # drop(live);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Registry<K, V, S = RandomState> {
    shared: Arc<Shared<K, V, S>>,
}

/// What happens when a connection joins under a key that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The newcomer replaces the holders when it goes live, and they close
    /// [`Superseded`](CloseReason::Superseded). One member per key is visible.
    Replace,
    /// The newcomer is refused with [`KeyError::Taken`](crate::KeyError::Taken),
    /// also while the holder is being set up.
    Reject,
    /// The connections share the key, up to a number of them, including those that are
    /// being set up; then [`KeyError::Full`](crate::KeyError::Full).
    Share {
        /// How many connections may hold one key at once.
        ///
        /// A refusal reads the state of that many connections.
        max_per_key: usize,
    },
}

struct Shared<K, V, S> {
    conflict: Conflict,
    hasher: S,
    tables: Shards<Table<K, V>>,
    hooks: Option<Hooks<K>>,
    last_closes: Option<LastCloses<K>>,
}

impl<K, V> Registry<K, V> {
    /// A registry with no member.
    #[must_use]
    pub fn new(conflict: Conflict) -> Self {
        Self::builder(conflict).build()
    }

    /// Builds a registry with hooks, a memory of closes, or a hasher.
    pub fn builder(conflict: Conflict) -> RegistryBuilder<K, V> {
        RegistryBuilder::new(conflict)
    }
}

impl<K, V, S> Registry<K, V, S> {
    /// A registry with no member that hashes its keys with `hasher`.
    ///
    /// The default hasher is randomly keyed, since keys often come from clients, who must
    /// not be able to choose keys that collide. The upper 32 bits of a hash select the lock
    /// that its key shares with others, so `hasher` should spread them well.
    #[must_use]
    pub fn with_hasher(conflict: Conflict, hasher: S) -> Self {
        Self::from_shared(Shared::new(conflict, hasher))
    }

    fn from_shared(shared: Shared<K, V, S>) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<K, V, S> Registry<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The live member under `key`; the newest, if there are several.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |bucket| bucket.newest_live().cloned())?
            .map(Member::new)
    }

    /// Whether a member is live under `key`.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |bucket| bucket.newest_live().is_some())
            .unwrap_or(false)
    }

    /// The live members under `key`, in the order in which they joined; under
    /// [`Conflict::Replace`] one at most.
    #[must_use]
    pub fn members<Q>(&self, key: &Q) -> Vec<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |bucket| {
            let visible = self.shared.visible(bucket);
            visible.map(|slot| Member::new(Arc::clone(slot))).collect()
        })
        .unwrap_or_default()
    }

    /// How many members are live under `key`. Reads the state of each connection under it.
    #[must_use]
    pub fn count<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |bucket| self.shared.visible(bucket).count())
            .unwrap_or(0)
    }

    /// How many members are live, under all keys. Reads the state of every connection.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared
            .tables
            .lock_each()
            .map(|table| {
                let counts = table
                    .iter()
                    .map(|bucket| self.shared.visible(bucket).count());
                counts.sum::<usize>()
            })
            .sum()
    }

    /// Whether no member is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut tables = self.shared.tables.lock_each();
        tables.all(|table| table.iter().all(|bucket| bucket.newest_live().is_none()))
    }

    /// All live members and their keys, in no particular order.
    ///
    /// The iterator reads the registry shard by shard, so it is no snapshot: a member that
    /// joins or leaves during the iteration may be yielded or not, and no member is yielded
    /// twice. Each member was live when it was yielded. The loop may use the registry in
    /// any way.
    pub fn iter(&self) -> impl Iterator<Item = (K, Member<V>)> + use<K, V, S>
    where
        K: Clone,
    {
        self.each_live(|shared, bucket, slots| slots.extend(shared.visible(bucket).cloned()))
            .map(|slot| (slot.key.clone(), Member::new(slot)))
    }

    /// The keys under which a member is live, each once, in no particular order.
    ///
    /// The guarantees of [`iter`](Self::iter) apply here too.
    pub fn keys(&self) -> impl Iterator<Item = K> + use<K, V, S>
    where
        K: Clone,
    {
        self.each_live(|_, bucket, slots| slots.extend(bucket.newest_live().cloned()))
            .map(|slot| slot.key.clone())
    }

    /// Closes every connection that holds `key`, including those that are being set up, and
    /// returns how many this call closed.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let holders = self.under(key, Bucket::handles).unwrap_or_default();
        holders
            .iter()
            .filter(|handle| handle.close(reason).is_ok())
            .count()
    }

    /// Closes every connection for whose key and value `condition` holds, including those
    /// that are being set up, and returns how many this call closed.
    ///
    /// `condition` may use the registry in any way. The registry is read shard by shard, as
    /// in [`iter`](Self::iter): a connection that joins during the call may be missed.
    pub fn close_where<F>(&self, mut condition: F, reason: CloseReason) -> usize
    where
        F: FnMut(&K, &V) -> bool,
    {
        (0..self.shared.tables.count())
            .flat_map(|shard| {
                self.shared.slots_in(shard, |bucket, slots| {
                    slots.extend(bucket.slots().cloned());
                })
            })
            .filter(|slot| slot.is_open() && condition(&slot.key, &slot.value))
            .filter(|slot| slot.handle.close(reason).is_ok())
            .count()
    }

    /// How the last connection under `key` ended, if the registry still remembers it. A
    /// server can then answer that the key is gone, and why, instead of that it never was
    /// there.
    ///
    /// `None` unless the registry was told to
    /// [remember](RegistryBuilder::remember_closes) closes. The last connection is the
    /// newest that has closed and not settled; if there is none, the one that settled last.
    /// Whether another connection is live under the key makes no difference.
    #[must_use]
    pub fn last_close<Q>(&self, key: &Q) -> Option<Closed>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let last_closes = self.shared.last_closes.as_ref()?;
        // In this order, since a slot is removed after its close was recorded.
        self.under(key, |bucket| {
            bucket.slots().rev().find_map(|slot| slot.closed())
        })
        .flatten()
        .or_else(|| last_closes.get(self.hash(key), key))
    }

    /// The slots that `pick` takes from each shard and that are live when they are yielded.
    /// A shard is read when the iteration reaches it.
    fn each_live<P>(&self, pick: P) -> impl Iterator<Item = Arc<Slot<K, V>>> + use<K, V, S, P>
    where
        P: Fn(&Shared<K, V, S>, &Bucket<K, V>, &mut Vec<Arc<Slot<K, V>>>),
    {
        let shared = Arc::clone(&self.shared);
        (0..shared.tables.count()).flat_map(move |shard| {
            let slots = shared.slots_in(shard, |bucket, slots| pick(&shared, bucket, slots));
            let shared = Arc::clone(&shared);
            slots
                .into_iter()
                .filter_map(move |slot| shared.still_live(slot))
        })
    }

    /// Calls `look` with the bucket of `key`, if there is one, under the lock.
    fn under<Q, T>(&self, key: &Q, look: impl FnOnce(&Bucket<K, V>) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        self.shared.table(hash).get(hash, key).map(look)
    }

    fn hash<Q>(&self, key: &Q) -> u64
    where
        Q: Hash + ?Sized,
    {
        self.shared.hasher.hash_one(key)
    }
}

impl<K, V, S> Shared<K, V, S> {
    fn new(conflict: Conflict, hasher: S) -> Self {
        Self {
            conflict,
            hasher,
            tables: Shards::default(),
            hooks: None,
            last_closes: None,
        }
    }

    /// The table that a key with this hash belongs to.
    fn table(&self, hash: u64) -> MutexGuard<'_, Table<K, V>> {
        // Neither the low bits nor the highest: the table itself uses these.
        self.tables.lock((hash >> 32) as usize)
    }

    /// The live slots of one key that the policy shows.
    fn visible<'a>(&self, bucket: &'a Bucket<K, V>) -> impl Iterator<Item = &'a Arc<Slot<K, V>>> {
        // I3: between the `go_live` of a newcomer and the close of its predecessor both are
        // live. The switch is the `go_live`, so only the newest is shown.
        let (newest, all) = match self.conflict {
            Conflict::Replace => (bucket.newest_live(), None),
            Conflict::Reject | Conflict::Share { .. } => (None, Some(bucket)),
        };
        let all = all.into_iter().flat_map(Bucket::slots);
        newest.into_iter().chain(all.filter(|slot| slot.is_live()))
    }

    /// `slot` if it is live. Else, under `Replace`, the live slot that has replaced it: the
    /// key was live all the time (I3).
    fn still_live(&self, slot: Arc<Slot<K, V>>) -> Option<Arc<Slot<K, V>>>
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        match self.conflict {
            _ if slot.is_live() => Some(slot),
            Conflict::Replace => {
                let hash = self.hasher.hash_one(&slot.key);
                let table = self.table(hash);
                table.get(hash, &slot.key)?.newest_live().cloned()
            }
            Conflict::Reject | Conflict::Share { .. } => None,
        }
    }

    /// The slots of one shard that `pick` puts into the list. The caller uses them after the
    /// lock is released (I8).
    fn slots_in(
        &self,
        shard: usize,
        mut pick: impl FnMut(&Bucket<K, V>, &mut Vec<Arc<Slot<K, V>>>),
    ) -> Vec<Arc<Slot<K, V>>> {
        let mut slots = Vec::new();
        for bucket in self.tables.lock(shard).iter() {
            pick(bucket, &mut slots);
        }
        slots
    }
}

impl<K, V, S> Clone for Registry<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V, S> fmt::Debug for Registry<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the members: `Debug` of keys and values is user code, which must not run
        // under the lock (I8).
        f.debug_struct("Registry")
            .field("conflict", &self.shared.conflict)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(hangup_loom)))]
impl<K, V, S> Registry<K, V, S> {
    /// The number of slots in each shard.
    pub(crate) fn slots_per_shard(&self) -> Vec<usize> {
        let shared = &self.shared;
        let slots =
            |shard| shared.slots_in(shard, |bucket, slots| slots.extend(bucket.slots().cloned()));
        (0..shared.tables.count())
            .map(|shard| slots(shard).len())
            .collect()
    }
}

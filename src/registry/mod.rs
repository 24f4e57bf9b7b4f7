//! Keyed members, visible exactly while they are live.
//!
//! A slot is inserted before its connection goes live and removed when the connection
//! settles, so the table has more slots than a lookup may show. A lookup reads the words of
//! the connections to decide what it shows (I3).

mod slot;
mod portion;
mod crowd;
mod bucket;
mod table;
mod last_close;
mod member;
mod hooks;
mod conflict;
mod min_hold;
mod named;
mod shared;
mod hook_calls;
mod removal;
mod claim;
mod builder;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::lifecycle::Handle;
use crate::state::{CloseReason, Closed};

use portion::{Portion, Unfinished};
use shared::{Shared, Slot, newest};

pub use builder::RegistryBuilder;
pub(crate) use claim::DynPredecessors;
pub use conflict::Conflict;
pub(crate) use crowd::Departed;
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
/// | [`Conflict::Reject`] | [`KeyError::Taken`](crate::KeyError::Taken) if there is one | the same |
/// | [`Conflict::Share`] | [`KeyError::Full`](crate::KeyError::Full) if there are too many | the same |
///
/// A holder counts until it has settled. If enough of them have closed, the error is
/// [`KeyError::Settling`](crate::KeyError::Settling).
///
/// # Many members
///
/// Whatever looks at all members, or at all under a key, holds a lock for a few hundred of
/// them at a time. A member that is not live is in no look-up's way: there may be a million
/// in set-up under a key, or closed and not settled, and [`get`](Self::get) costs no more.
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
    shared: Arc<Shared<K, V>>,
    /// Not shared with the slots, which know the hashes of their keys.
    hasher: Arc<S>,
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
        Self::from_parts(Shared::new(conflict), hasher)
    }

    fn from_parts(shared: Shared<K, V>, hasher: S) -> Self {
        Self {
            shared: Arc::new(shared),
            hasher: Arc::new(hasher),
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
        self.shared
            .newest_live(self.hash(key), key)
            .map(Member::new)
    }

    /// Whether a member is live under `key`.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shared.newest_live(self.hash(key), key).is_some()
    }

    /// The live members under `key`, in the order in which they joined; under
    /// [`Conflict::Replace`] one at most. Each was live at one instant during the call.
    #[must_use]
    pub fn members<Q>(&self, key: &Q) -> Vec<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut members = Vec::new();
        self.each_visible(key, &mut members, |members, slot| {
            members.push(Member::new(Arc::clone(slot)));
        });
        members
    }

    /// How many members are live under `key`. Reads the state of each of them.
    #[must_use]
    pub fn count<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut counted = Vec::<()>::new();
        self.each_visible(key, &mut counted, |counted, _| counted.push(()));
        counted.len()
    }

    /// How many members are live, under all keys. Reads the state of each of them.
    #[must_use]
    pub fn len(&self) -> usize {
        let shards = 0..self.shared.tables.count();
        let counts = shards.map(|shard| {
            // Without memory: it counts.
            let counted: Vec<()> = self.shared.walk(shard, |bucket, after, portion, counted| {
                let visit = |_: &Arc<Slot<K, V>>| counted.push(());
                self.shared.visible(bucket, after, portion, visit)
            });
            counted.len()
        });
        counts.sum()
    }

    /// Whether no member is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (0..self.shared.tables.count()).all(|shard| {
            let found: Vec<()> = self.shared.walk(shard, |bucket, _, portion, found| {
                newest(bucket, portion, |_| found.push(()))
            });
            found.is_empty()
        })
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
        self.each_live(|shared, shard| match shared.conflict {
            Conflict::Replace => shared.newest_in(shard),
            Conflict::Reject | Conflict::Share { .. } => {
                shared.walk(shard, |bucket, after, portion, slots| {
                    shared.visible(bucket, after, portion, |slot| slots.push(Arc::clone(slot)))
                })
            }
        })
        .map(|slot| (slot.key.clone(), Member::new(slot)))
    }

    /// The keys under which a member is live, each once, in no particular order.
    ///
    /// The guarantees of [`iter`](Self::iter) apply here too.
    pub fn keys(&self) -> impl Iterator<Item = K> + use<K, V, S>
    where
        K: Clone,
    {
        self.each_live(Shared::newest_in)
            .map(|slot| slot.key.clone())
    }

    /// Closes every connection that holds `key`, including those that are being set up, and
    /// returns how many this call closed. A connection that joins during the call stays.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let (mut after, mut end, mut count) = (0, None, 0);
        loop {
            // Most keys have one holder, which takes no allocation.
            let (mut first, mut others) = (None, Vec::new());
            let mut table = self.shared.table(hash);
            let end = *end.get_or_insert_with(|| table.end());
            let visited = table.get(hash, key).map_or(Ok(()), |bucket| {
                bucket.open_between(after, end, &mut Portion::new(), |slot| {
                    let handle = slot.handle.clone();
                    match first {
                        None => first = Some(handle),
                        Some(_) => others.push(handle),
                    }
                })
            });
            drop(table);
            let holders = first.iter().chain(&others);
            let closed = holders.filter(|holder| holder.close(reason).is_ok());
            count += closed.count();
            match visited {
                Ok(()) => return count,
                Err(Unfinished(last)) => after = last,
            }
        }
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
                self.shared.walk(shard, |bucket, after, portion, slots| {
                    let visit = |slot: &Arc<Slot<K, V>>| slots.push(Arc::clone(slot));
                    let visited = bucket.open_between(after, u64::MAX, portion, visit);
                    visited.err().map(|Unfinished(last)| last)
                })
            })
            .filter(|slot| slot.is_open() && condition(&slot.key, &slot.value))
            .filter(|slot| slot.handle.close(reason).is_ok())
            .count()
    }

    /// Waits until no connection holds `key` that has not settled: one that is open, being
    /// set up, or closed with undos that have not ended. Resolves at once if there is none.
    ///
    /// A connection that joins while this waits is waited for as well. To keep others out,
    /// hold the key oneself: [`take_over`](crate::Registering::take_over) waits as well.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::{CloseReason, Conflict, Registry, Scope};
    /// # futures::executor::block_on(async {
    /// # let (scope, workers) = (Scope::new(), Registry::<&str, ()>::new(Conflict::Reject));
    /// # let mut setup = scope.open()?.register()?;
    /// # setup.join(&workers, "ada", ())?;
    /// # let live = setup.go_live()?;
    /// workers.close("ada", CloseReason::App(1));
    /// workers.settled("ada").await;
    /// // Whatever was done for "ada" is undone.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn settled<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        while let Some(holder) = self.newest_holder(key) {
            holder.settled().await;
        }
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
        let hash = self.hash(key);
        // In this order, since a slot is removed after its close was recorded.
        let newest = self.shared.newest_closed(hash, key);
        newest.or_else(|| last_closes.get(hash, key))
    }

    /// The slots that `collect` takes from each shard and that are live when they are
    /// yielded. A shard is read when the iteration reaches it.
    fn each_live<C>(&self, collect: C) -> impl Iterator<Item = Arc<Slot<K, V>>> + use<K, V, S, C>
    where
        C: Fn(&Shared<K, V>, usize) -> Vec<Arc<Slot<K, V>>>,
    {
        let shared = Arc::clone(&self.shared);
        (0..shared.tables.count()).flat_map(move |shard| {
            let slots = collect(&shared, shard);
            let shared = Arc::clone(&shared);
            slots
                .into_iter()
                .filter_map(move |slot| shared.still_live(slot))
        })
    }

    /// Visits the live slots of one key that the policy shows.
    fn each_visible<Q, T>(
        &self,
        key: &Q,
        found: &mut Vec<T>,
        mut visit: impl FnMut(&mut Vec<T>, &Arc<Slot<K, V>>),
    ) where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let mut after = 0;
        loop {
            let mut table = self.shared.table(hash);
            let Some(bucket) = table.get(hash, key) else {
                return;
            };
            let visit = |slot: &Arc<Slot<K, V>>| visit(found, slot);
            let visited = self
                .shared
                .visible(bucket, after, &mut Portion::new(), visit);
            drop(table);
            match visited {
                None => return,
                Some(last) => after = last,
            }
            // So that it seldom grows under the lock.
            found.reserve(Portion::PLACES);
        }
    }

    fn newest_holder<Q>(&self, key: &Q) -> Option<Handle>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let mut table = self.shared.table(hash);
        let newest = table.get(hash, key)?.before(u64::MAX)?;
        Some(newest.handle.clone())
    }

    fn hash<Q>(&self, key: &Q) -> u64
    where
        Q: Hash + ?Sized,
    {
        self.hasher.hash_one(key)
    }
}

impl<K, V, S> Clone for Registry<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            hasher: Arc::clone(&self.hasher),
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
        let slots = |shard| {
            shared.walk(shard, |bucket, _, _, slots| {
                slots.extend((0..bucket.len()).map(|_| ()));
                None
            })
        };
        (0..shared.tables.count())
            .map(|shard| slots(shard).len())
            .collect()
    }
}

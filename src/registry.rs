//! Keyed members, visible exactly while they are live.
//!
//! A seat is taken before its connection goes live and given back when it has
//! settled, so the table knows more than it tells. What it tells is read from the
//! words of the connections at the time of asking (I3).

mod builder;
mod group;
mod hooks;
mod last_close;
mod member;
mod reserve;
mod seat;
mod table;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::shards::Shards;
use crate::state::{CloseReason, Closed};
use crate::sync::{Hasher, MutexGuard};

use group::Group;
use hooks::Hooks;
use last_close::LastCloses;
use seat::Seat;
use table::Table;

pub use builder::RegistryBuilder;
pub use member::Member;
pub(crate) use reserve::Supersede;

/// Members under keys: connections with a value each, for others to find.
///
/// A lookup returns a member only if it was live at one instant during the call.
/// There is no `remove`: a member is gone, from all its registries at once, in
/// the instant in which its connection closes. Nothing that is done for one
/// connection touches another under the same key.
///
/// No lock is held while the caller looks at what it found, so whoever iterates may
/// look up, join and close meanwhile. Only `Eq` and `Borrow` of keys run under a lock,
/// and must not use the registry. Nothing else of the user's does.
///
/// Cheap to clone; all clones are the same registry. A registry keeps no
/// connection open, and dropping it harms none. Unless it is told to
/// [remember](RegistryBuilder::remember_closes), nothing is kept for a key that no
/// connection holds, and a burst leaves no memory behind. An empty one takes a few
/// kilobytes, more on machines with many cores: it is made for one per kind of key, not
/// for one per room.
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
pub struct Registry<K, V> {
    shared: Arc<Shared<K, V>>,
}

/// What happens when a connection joins under a key that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The newcomer replaces them when it goes live, and they close
    /// [`Superseded`](CloseReason::Superseded). One member per key is visible.
    Replace,
    /// The newcomer is refused with [`JoinError::KeyTaken`](crate::JoinError::KeyTaken),
    /// also while the holder is still being set up.
    Reject,
    /// They share the key, up to a number of connections, those that are still
    /// being set up included; then [`JoinError::KeyFull`](crate::JoinError::KeyFull).
    Share {
        /// How many connections may hold one key at once.
        ///
        /// A refusal looks at as many, so it costs more the larger this is.
        max_per_key: usize,
    },
}

struct Shared<K, V> {
    conflict: Conflict,
    hasher: Hasher,
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

    /// A registry that is made to measure: with hooks, or a memory.
    pub fn builder(conflict: Conflict) -> RegistryBuilder<K, V> {
        RegistryBuilder::new(conflict)
    }

    fn from_shared(shared: Shared<K, V>) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<K, V> Registry<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The live member under `key`: the newest, if there are several.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |group| group.newest_live().cloned())?
            .map(Member::new)
    }

    /// Whether a member is live under `key`.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |group| group.newest_live().is_some())
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
        self.under(key, |group| {
            let visible = self.shared.visible(group);
            visible.map(|seat| Member::new(Arc::clone(seat))).collect()
        })
        .unwrap_or_default()
    }

    /// How many members are live under `key`. It looks at every one.
    #[must_use]
    pub fn count<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.under(key, |group| self.shared.visible(group).count())
            .unwrap_or(0)
    }

    /// How many members are live, under all keys. It looks at every one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared
            .tables
            .lock_each()
            .map(|table| {
                let counts = table.iter().map(|group| self.shared.visible(group).count());
                counts.sum::<usize>()
            })
            .sum()
    }

    /// Whether no member is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut tables = self.shared.tables.lock_each();
        tables.all(|table| table.iter().all(|group| group.newest_live().is_none()))
    }

    /// All live members and their keys, in no particular order.
    ///
    /// It goes through the registry part by part, so it is no snapshot: who comes or
    /// goes meanwhile may be in it or not, and nothing is in it twice. Each one was
    /// live when it was yielded. The loop may use the registry in any way.
    pub fn iter(&self) -> impl Iterator<Item = (K, Member<V>)> + use<K, V>
    where
        K: Clone,
    {
        self.each_live(|shared, group, seats| seats.extend(shared.visible(group).cloned()))
            .map(|seat| (seat.key.clone(), Member::new(seat)))
    }

    /// The keys under which a member is live, each once, in no particular order.
    ///
    /// What [`iter`](Self::iter) says holds here as well.
    pub fn keys(&self) -> impl Iterator<Item = K> + use<K, V>
    where
        K: Clone,
    {
        self.each_live(|_, group, seats| seats.extend(group.newest_live().cloned()))
            .map(|seat| seat.key.clone())
    }

    /// Closes every connection that holds `key`, those that are still being set
    /// up included, and returns how many this call closed.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let holders = self.under(key, Group::handles).unwrap_or_default();
        holders
            .iter()
            .filter(|handle| handle.close(reason).is_ok())
            .count()
    }

    /// Closes every connection for whose key and value `condition` holds, those that
    /// are still being set up included, and returns how many this call closed.
    ///
    /// `condition` may use the registry in any way. It goes through the registry as
    /// [`iter`](Self::iter) does: who joins meanwhile may be missed.
    pub fn close_where<F>(&self, mut condition: F, reason: CloseReason) -> usize
    where
        F: FnMut(&K, &V) -> bool,
    {
        (0..self.shared.tables.count())
            .flat_map(|shard| {
                self.shared.seats_in(shard, |group, seats| {
                    seats.extend(group.seats().cloned());
                })
            })
            .filter(|seat| seat.is_open() && condition(&seat.key, &seat.value))
            .filter(|seat| seat.handle.close(reason).is_ok())
            .count()
    }

    /// How the last connection under `key` ended, if that is still known: then a server
    /// can answer that the key is gone, and why, and need not say that it never was.
    ///
    /// `None` unless the registry was told to
    /// [remember](RegistryBuilder::remember_closes). The last one is the one that settled
    /// last; but while there are some under the key that have closed and not settled, it
    /// is the newest of those. Whether another one is live makes no difference.
    #[must_use]
    pub fn last_close<Q>(&self, key: &Q) -> Option<Closed>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let last_closes = self.shared.last_closes.as_ref()?;
        // In this order: a seat is given back after its close was recorded.
        self.under(key, |group| {
            group.seats().rev().find_map(|seat| seat.closed())
        })
        .flatten()
        .or_else(|| last_closes.get(self.hash(key), key))
    }

    /// What `pick` takes from each shard, one after the other, and finds live when its turn
    /// comes.
    fn each_live<P>(&self, pick: P) -> impl Iterator<Item = Arc<Seat<K, V>>> + use<K, V, P>
    where
        P: Fn(&Shared<K, V>, &Group<K, V>, &mut Vec<Arc<Seat<K, V>>>),
    {
        let shared = Arc::clone(&self.shared);
        (0..shared.tables.count()).flat_map(move |shard| {
            let seats = shared.seats_in(shard, |group, seats| pick(&shared, group, seats));
            let shared = Arc::clone(&shared);
            seats
                .into_iter()
                .filter_map(move |seat| shared.still_live(seat))
        })
    }

    /// Looks at what is under `key`, if anything is, under the lock.
    fn under<Q, T>(&self, key: &Q, look: impl FnOnce(&Group<K, V>) -> T) -> Option<T>
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

impl<K, V> Shared<K, V> {
    fn new(conflict: Conflict) -> Self {
        Self {
            conflict,
            hasher: Hasher::default(),
            tables: Shards::default(),
            hooks: None,
            last_closes: None,
        }
    }

    /// The table that a key with this hash belongs to.
    fn table(&self, hash: u64) -> MutexGuard<'_, Table<K, V>> {
        // Neither the low bits nor the highest, by which the table itself goes.
        self.tables.lock((hash >> 32) as usize)
    }

    /// The live ones among the seats of one key, as the policy shows them.
    fn visible<'a>(&self, group: &'a Group<K, V>) -> impl Iterator<Item = &'a Arc<Seat<K, V>>> {
        // I3: between the `go_live` of a newcomer and the close of whom it
        // replaces both are live. The switch is the `go_live`, so the newest is
        // the one that counts.
        let (newest, all) = match self.conflict {
            Conflict::Replace => (group.newest_live(), None),
            Conflict::Reject | Conflict::Share { .. } => (None, Some(group)),
        };
        let all = all.into_iter().flat_map(Group::seats);
        newest.into_iter().chain(all.filter(|seat| seat.is_live()))
    }

    /// `seat` if it is live; else, where one replaces the other, whoever replaced it, since
    /// the key has been live all the time (I3).
    fn still_live(&self, seat: Arc<Seat<K, V>>) -> Option<Arc<Seat<K, V>>>
    where
        K: Hash + Eq,
    {
        match self.conflict {
            _ if seat.is_live() => Some(seat),
            Conflict::Replace => {
                let hash = self.hasher.hash_one(&seat.key);
                let table = self.table(hash);
                table.get(hash, &seat.key)?.newest_live().cloned()
            }
            Conflict::Reject | Conflict::Share { .. } => None,
        }
    }

    /// The seats of one shard that `pick` puts into the list, to be looked at when the
    /// lock is released (I8).
    fn seats_in(
        &self,
        shard: usize,
        mut pick: impl FnMut(&Group<K, V>, &mut Vec<Arc<Seat<K, V>>>),
    ) -> Vec<Arc<Seat<K, V>>> {
        let mut seats = Vec::new();
        for group in self.tables.lock(shard).iter() {
            pick(group, &mut seats);
        }
        seats
    }
}

impl<K, V> Clone for Registry<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V> fmt::Debug for Registry<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No members: to print what the user brought would be to run user code
        // under the lock (I8).
        f.debug_struct("Registry")
            .field("conflict", &self.shared.conflict)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(hangup_loom)))]
impl<K, V> Registry<K, V> {
    /// How many seats there are in each shard.
    pub(crate) fn seats_per_shard(&self) -> Vec<usize> {
        let shared = &self.shared;
        let seats =
            |shard| shared.seats_in(shard, |group, seats| seats.extend(group.seats().cloned()));
        (0..shared.tables.count())
            .map(|shard| seats(shard).len())
            .collect()
    }
}

//! Keyed members, visible exactly while they are live.
//!
//! A seat is taken before its connection goes live and given back when it has
//! settled, so the map knows more than it tells. What it tells is read from the
//! words of the connections at the time of asking (I3).

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::error::JoinError;
use crate::handle::Handle;
use crate::lifecycle::Membership;
use crate::state::{CloseReason, Closed};
use crate::sync::{Mutex, lock};

/// Members under keys: connections with a value each, for others to find.
///
/// A lookup returns a member only if it was live at one instant during the call.
/// There is no `remove`: a member is gone, from all its registries at once, in
/// the instant in which its connection closes. Nothing that is done for one
/// connection touches another under the same key.
///
/// `Hash` and `Eq` of keys run under a lock, and must not use the registry.
/// Nothing else of the user's does.
///
/// Cheap to clone; all clones are the same registry. A registry keeps no
/// connection open, and dropping it harms none.
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
    /// The newcomer is refused with [`JoinError::KeyTaken`], also while the
    /// holder is still being set up.
    Reject,
    /// They share the key, up to a number of connections, those that are still
    /// being set up included; then [`JoinError::KeyFull`].
    Share {
        /// How many connections may hold one key at once.
        max_per_key: usize,
    },
}

/// A live member of a [`Registry`], as a lookup found it.
///
/// Derefs to the value. Keeping it keeps the value, not the connection, which may
/// close at any time.
pub struct Member<V> {
    seat: Arc<dyn Seated<V>>,
}

struct Shared<K, V> {
    conflict: Conflict,
    /// Under each key in the order of reservation; no list is empty.
    seats: Mutex<Seats<K, V>>,
}

type Seats<K, V> = HashMap<K, Vec<Arc<Seat<K, V>>>>;

/// One connection's place under one key.
struct Seat<K, V> {
    registry: Weak<Shared<K, V>>,
    key: K,
    value: V,
    handle: Handle,
}

/// A seat, seen by those who do not know its key.
trait Seated<V>: Send + Sync {
    fn value(&self) -> &V;
    fn handle(&self) -> &Handle;
}

/// Whom a newcomer closes once it is live: those who held the key when it joined,
/// and nobody who came later (I5).
struct Replaced<K, V> {
    registry: Weak<Shared<K, V>>,
    older: Vec<Handle>,
}

/// [`Replaced`], seen by those who do not know its key.
pub(crate) trait Supersede: Send + Sync {
    fn supersede(&self);
}

impl<K, V> Registry<K, V> {
    /// A registry with no member.
    #[must_use]
    pub fn new(conflict: Conflict) -> Self {
        Self {
            shared: Arc::new(Shared {
                conflict,
                seats: Mutex::new(HashMap::new()),
            }),
        }
    }
}

impl<K, V> Registry<K, V>
where
    K: Hash + Eq,
    V: Send + Sync + 'static,
    K: Send + Sync + 'static,
{
    /// The live member under `key`: the newest, if there are several.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let seats = lock(&self.shared.seats);
        let newest = seats.get(key)?.iter().rev().find(|seat| seat.is_live())?;
        Some(Member::new(newest))
    }

    /// The live members under `key`, in the order in which they joined; under
    /// [`Conflict::Replace`] one at most.
    #[must_use]
    pub fn members<Q>(&self, key: &Q) -> Vec<Member<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let seats = lock(&self.shared.seats);
        let under_key = seats.get(key).map_or(&[][..], Vec::as_slice);
        self.shared.visible(under_key).map(Member::new).collect()
    }

    /// How many members are live under `key`.
    #[must_use]
    pub fn count<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let seats = lock(&self.shared.seats);
        let under_key = seats.get(key).map_or(&[][..], Vec::as_slice);
        self.shared.visible(under_key).count()
    }

    /// How many members are live, under all keys. It looks at every one.
    #[must_use]
    pub fn len(&self) -> usize {
        let seats = lock(&self.shared.seats);
        seats
            .values()
            .map(|under_key| self.shared.visible(under_key).count())
            .sum()
    }

    /// Whether no member is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes every connection that holds `key`, those that are still being set
    /// up included, and returns how many this call closed.
    pub fn close<Q>(&self, key: &Q, reason: CloseReason) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let holders = lock(&self.shared.seats)
            .get(key)
            .map_or_else(Vec::new, |held| handles(held));
        holders
            .iter()
            .filter(|handle| handle.close(reason).is_ok())
            .count()
    }
}

impl<K, V> Registry<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Takes a seat as the policy admits, and returns whom it replaces when it
    /// goes live.
    pub(crate) fn reserve(
        &self,
        handle: Handle,
        key: K,
        value: V,
    ) -> Result<Option<Box<dyn Supersede>>, JoinError> {
        let conflict = self.shared.conflict;
        let older = self.sit(handle, key, value, |held| {
            let open = || held.iter().filter(|seat| seat.is_open()).count();
            match conflict {
                Conflict::Replace => Ok(handles(held)),
                Conflict::Reject if open() > 0 => Err(JoinError::KeyTaken),
                Conflict::Share { max_per_key } if open() >= max_per_key => Err(JoinError::KeyFull),
                Conflict::Reject | Conflict::Share { .. } => Ok(Vec::new()),
            }
        })?;
        if older.is_empty() {
            return Ok(None);
        }
        let registry = Arc::downgrade(&self.shared);
        Ok(Some(Box::new(Replaced { registry, older })))
    }

    /// Takes a seat whatever the policy is, and returns all that held the key and
    /// have not settled.
    pub(crate) fn seize(&self, handle: Handle, key: K, value: V) -> Result<Vec<Handle>, JoinError> {
        self.sit(handle, key, value, |held| Ok(handles(held)))
    }

    /// The one place where a seat is taken. Decided and inserted under one lock
    /// (I6), so of two newcomers one is the later.
    fn sit(
        &self,
        handle: Handle,
        key: K,
        value: V,
        admit: impl FnOnce(&[Arc<Seat<K, V>>]) -> Result<Vec<Handle>, JoinError>,
    ) -> Result<Vec<Handle>, JoinError> {
        // In an option, so that a key that is not used is dropped at the end, and
        // not under the lock (I8). For the same reason this is not `entry`.
        let mut map_key = Some(key.clone());
        let seat = Arc::new(Seat {
            registry: Arc::downgrade(&self.shared),
            key,
            value,
            handle,
        });

        let mut seats = lock(&self.shared.seats);
        let admitted = match seats.get_mut(&seat.key) {
            Some(held) if held.iter().any(|other| other.handle == seat.handle) => {
                Err(JoinError::AlreadyJoined)
            }
            Some(held) => admit(held).inspect(|_| held.push(Arc::clone(&seat))),
            None => admit(&[]).inspect(|_| {
                let map_key = map_key.take().expect("taken here alone");
                seats.insert(map_key, vec![Arc::clone(&seat)]);
            }),
        };
        drop(seats);
        let admitted = admitted?;

        // After the seat is in the map, so that whoever unwinds finds what it
        // has to remove.
        let membership: Arc<dyn Membership> = Arc::clone(&seat) as Arc<dyn Membership>;
        let lifecycle = seat.handle.lifecycle();
        if let Err(late) = lifecycle.add_membership(membership) {
            late.leave();
        }
        match lifecycle.closed() {
            Some(closed) => Err(JoinError::Closed(closed)),
            None => Ok(admitted),
        }
    }
}

fn handles<K, V>(held: &[Arc<Seat<K, V>>]) -> Vec<Handle> {
    held.iter().map(|seat| seat.handle.clone()).collect()
}

impl<K, V> Shared<K, V> {
    /// The live ones among the seats of one key, as the policy shows them.
    fn visible<'a>(
        &self,
        under_key: &'a [Arc<Seat<K, V>>],
    ) -> impl Iterator<Item = &'a Arc<Seat<K, V>>> {
        // I3: between the `go_live` of a newcomer and the close of whom it
        // replaces both are live. The switch is the `go_live`, so the newest is
        // the one that counts.
        let (newest, all) = match self.conflict {
            Conflict::Replace => (under_key.iter().rev().find(|seat| seat.is_live()), &[][..]),
            Conflict::Reject | Conflict::Share { .. } => (None, under_key),
        };
        newest
            .into_iter()
            .chain(all.iter().filter(|seat| seat.is_live()))
    }
}

impl<K, V> Seat<K, V> {
    fn is_live(&self) -> bool {
        self.handle.lifecycle().is_live()
    }

    fn is_open(&self) -> bool {
        self.handle.lifecycle().closed().is_none()
    }
}

impl<K, V> Membership for Seat<K, V>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
{
    fn leave(&self) {
        let Some(shared) = self.registry.upgrade() else {
            return;
        };
        let mut seats = lock(&shared.seats);
        let Some(under_key) = seats.get_mut(&self.key) else {
            return;
        };
        // I5: by identity. A successor under the key is another connection.
        let position = under_key.iter().position(|held| held.handle == self.handle);
        let removed = position.map(|at| under_key.remove(at));
        let emptied = under_key.is_empty().then(|| seats.remove_entry(&self.key));
        drop(seats);
        // The key and the value are the user's (I8).
        drop(emptied);
        drop(removed);
    }
}

impl<K, V> Supersede for Replaced<K, V>
where
    K: Send + Sync,
    V: Send + Sync,
{
    fn supersede(&self) {
        // I3: a lookup that is under way may have passed the newcomer while it was
        // not live. It must still find the old one live, so it is waited for.
        if let Some(shared) = self.registry.upgrade() {
            drop(lock(&shared.seats));
        }
        for handle in &self.older {
            // Whatever reason it had before ours, it is closed.
            let _: Result<(), Closed> = handle.close(CloseReason::Superseded);
        }
    }
}

impl<K, V> Seated<V> for Seat<K, V>
where
    K: Send + Sync,
    V: Send + Sync,
{
    fn value(&self) -> &V {
        &self.value
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl<V> Member<V> {
    fn new<K>(seat: &Arc<Seat<K, V>>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Self {
            seat: Arc::clone(seat) as Arc<dyn Seated<V>>,
        }
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.seat.handle()
    }
}

impl<V> Deref for Member<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.seat.value()
    }
}

impl<V> Clone for Member<V> {
    fn clone(&self) -> Self {
        Self {
            seat: Arc::clone(&self.seat),
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for Member<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("value", self.seat.value())
            .field("handle", self.seat.handle())
            .finish()
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

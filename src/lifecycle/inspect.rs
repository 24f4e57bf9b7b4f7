//! To look inside a connection.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::memberships::Membership;
use super::{End, Handle, Lifecycle, WaitsFor};
use crate::id::ConnectionId;
use crate::state::State;
use crate::sync::lock;

/// The most undos of a connection that are looked at under its lock (I10).
const MOST_UNDOS: usize = 64;

/// A connection at one instant. Returned by [`Handle::snapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The connection.
    pub id: ConnectionId,
    /// Its state.
    pub state: State,
    /// How it ended, if it is closed.
    pub end: Option<End>,
    /// Whether it has settled.
    pub settled: bool,
    /// Its [label](crate::Pending::label).
    pub label: Option<Arc<str>>,
    /// The time since it was opened, if the scope has a
    /// [clock](crate::ScopeBuilder::clock).
    pub age: Option<Duration>,
    /// The time since it entered its state, if the scope has a clock.
    pub in_state: Option<Duration>,
    /// The time since the peer was last known to be there: see [`Handle::idle_for`].
    pub idle_for: Option<Duration>,
    /// How many items it has passed on, if it [counts](crate::Live::count_items) them.
    pub items: Option<u64>,
    /// The keys that it holds, newest first.
    pub keys: Vec<HeldKey>,
    /// The names of its asynchronous undos that have not begun, in the order in which they
    /// will: of the newest 64 undos.
    pub undos: Vec<Cow<'static, str>>,
    /// What it waits for, if it has closed and has not settled.
    pub waits_for: Option<WaitsFor>,
}

/// A key that a connection holds in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldKey {
    /// The [name](crate::RegistryBuilder::name) of the registry.
    pub registry: Cow<'static, str>,
    /// The key, as its `Debug` writes it.
    pub key: String,
}

impl Handle {
    /// The [label](crate::Pending::label) of the connection.
    #[must_use]
    pub fn label(&self) -> Option<Arc<str>> {
        self.lifecycle().label()
    }

    /// The value of this type that the connection was [given](crate::Pending::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use hangup::{Handle, Scope, report::Transition};
    ///
    /// // An observer that logs the peer of each connection that closes.
    /// let log = |connection: &Handle, transition: &Transition| {
    ///     if let (Some(reason), Some(peer)) = (transition.reason(), connection.get::<Ipv4Addr>()) {
    ///         println!("{peer}: {reason}");
    ///     }
    /// };
    /// let scope = Scope::builder().observer(log).build();
    /// let mut pending = scope.open()?;
    /// pending.insert(Ipv4Addr::LOCALHOST);
    /// assert_eq!(pending.handle().get::<u8>(), None);
    /// # Ok::<(), hangup::OpenError>(())
    /// ```
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.lifecycle().get()
    }

    /// The time since the connection was opened, by the
    /// [clock](crate::ScopeBuilder::clock) of its scope; `None` if the scope has none.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.lifecycle().times().map(|(age, _)| age)
    }

    /// The instant at which the connection was opened, by the
    /// [clock](crate::ScopeBuilder::clock) of its scope; `None` if the scope has none.
    ///
    /// Of two connections of a scope this tells which one is older. Two [ages](Self::age) do
    /// not: each is measured at an instant of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use hangup::Scope;
    ///
    /// let scope = Scope::builder().clock(Instant::now).build();
    /// let _open = [scope.open()?, scope.open()?, scope.open()?];
    /// // The oldest connection first.
    /// let mut all = scope.handles();
    /// all.sort_by_cached_key(|handle| handle.opened_at());
    /// # Ok::<(), hangup::OpenError>(())
    /// ```
    #[must_use]
    pub fn opened_at(&self) -> Option<Instant> {
        self.lifecycle().opened_at()
    }

    /// The time since the peer was last known to be there: since the latest
    /// [`touch`](Self::touch), or since the connection went live. It is as coarse as the
    /// sweeps, and `None` if none looks at the connection: it has no deadlines, and its scope
    /// has no [time](crate::ScopeBuilder::unsettled_after) for what does not settle.
    #[must_use]
    pub fn idle_for(&self) -> Option<Duration> {
        self.lifecycle().idle_for()
    }

    /// How many items the connection has passed on, if it
    /// [counts](crate::Live::count_items) them.
    #[must_use]
    pub fn items(&self) -> Option<u64> {
        self.lifecycle().items()
    }

    /// The keys that the connection holds, newest first: in registries that have a
    /// [name](crate::RegistryBuilder::name).
    #[must_use]
    pub fn keys(&self) -> Vec<HeldKey> {
        self.lifecycle().keys()
    }

    /// The connection at one instant.
    ///
    /// The state, the times, the end, the label and the undos belong together. The keys are
    /// those of an instant right after.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lifecycle().snapshot()
    }
}

/// A slot that is looked at. If its connection leaves it before that ends, this drops the key and
/// the value: in the name of the connection, which reports their panics.
struct Held<'a> {
    lifecycle: &'a Lifecycle,
    /// `None` while it is dropped.
    slot: Option<Arc<dyn Membership>>,
}

impl<'a> Held<'a> {
    fn new(lifecycle: &'a Lifecycle, slot: Arc<dyn Membership>) -> Self {
        let slot = Some(slot);
        Self { lifecycle, slot }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let slot = self.slot.take();
        self.lifecycle.catch_panic(move || drop(slot));
    }
}

impl Lifecycle {
    fn keys(&self) -> Vec<HeldKey> {
        if !self.word().load().has_parts() {
            return Vec::new();
        }
        let inner = lock(&self.inner);
        let held = inner.memberships.iter().cloned();
        let held: Vec<_> = held.map(|slot| Held::new(self, slot)).collect();
        drop(inner);
        // Without a lock: `Debug` of a key is user code (I8).
        let keys = held.iter();
        keys.filter_map(|held| held.slot.as_ref()?.key())
            .map(|(registry, key)| HeldKey { registry, key })
            .collect()
    }

    fn snapshot(&self) -> Snapshot {
        let now = self.now();
        let (word, times, about, undos) = {
            let inner = lock(&self.inner);
            // Every transition of a connection with times is made under the lock of these.
            let (word, times) = match self.events() {
                Some(events) => events.look(now, || self.word().load()),
                None => (self.word().load(), None),
            };
            let undos = inner.undos.labels(MOST_UNDOS);
            let undos: Vec<_> = undos.map(|label| label.name.clone()).collect();
            let about = inner.cold.as_ref().and_then(|cold| cold.about.as_ref());
            let about = about.map(|about| (about.label(), about.words.clone(), about.by));
            (word, times, about.unwrap_or_default(), undos)
        };
        let (label, words, by) = about;
        Snapshot {
            id: self.id(),
            state: word.state(),
            end: word.closed().map(|closed| End { closed, words, by }),
            settled: word.settled(),
            label,
            age: times.map(|(age, _)| age),
            in_state: times.map(|(_, in_state)| in_state),
            idle_for: self.idle_for(),
            items: self.items(),
            keys: self.keys(),
            undos,
            waits_for: self.waits_for(),
        }
    }

    fn opened_at(&self) -> Option<Instant> {
        self.events()?.opened_at()
    }

    /// The time since the connection was opened, and since its latest transition.
    fn times(&self) -> Option<(Duration, Duration)> {
        let events = self.events()?;
        events.look(events.now(), || ()).1
    }
}

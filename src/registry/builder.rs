//! Building a registry.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::hooks::{Hook, Hooks};
use super::last_close::LastCloses;
use super::min_hold::MinHold;
use super::named::Named;
use super::shared::Shared;
use super::{Conflict, RandomState, Registry};

/// Builds a [`Registry`]. Made by [`Registry::builder`].
///
/// # Examples
///
/// One upstream subscription for all watchers of a topic:
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// use hangup::{Conflict, Registry, Scope};
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// # let (first, last) = (Arc::clone(&log), Arc::clone(&log));
/// let watchers = Registry::builder(Conflict::share(100))
///     .on_first(move |topic: &&str| first.lock().unwrap().push(format!("subscribe {topic}")))
///     .on_last(move |topic| last.lock().unwrap().push(format!("unsubscribe {topic}")))
///     .build();
///
/// let scope = Scope::new();
/// let (mut one, mut two) = (scope.open()?.register()?, scope.open()?.register()?);
/// one.join(&watchers, "weather", ())?;
/// two.join(&watchers, "weather", ())?;
/// drop(one);
/// drop(two);
/// assert_eq!(*log.lock().unwrap(), ["subscribe weather", "unsubscribe weather"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct RegistryBuilder<K, V, S = RandomState> {
    shared: Shared<K, V>,
    hasher: S,
}

impl<K, V> RegistryBuilder<K, V> {
    pub(super) fn new(conflict: Conflict) -> Self {
        Self {
            shared: Shared::new(conflict),
            hasher: RandomState::default(),
        }
    }
}

impl<K, V, S> RegistryBuilder<K, V, S> {
    /// Calls `hook` when a key comes into use: the first connection takes a place under
    /// it, possibly long before it is live.
    ///
    /// For one key, the calls of this hook and of [`on_last`](Self::on_last) alternate, one
    /// at a time, whatever the interleaving is. Hooks coalesce: if a key empties and
    /// refills while a hook runs, neither `on_last` nor `on_first` is called for that gap.
    ///
    /// The thread that joins makes the call, before `join` returns, or during the first poll
    /// of a take-over. There is one exception: if a hook of the same key is running (on
    /// another thread, or re-entrantly), this call is made there after that hook returns,
    /// and `join` does not wait for it; the key and the value of the connection are kept
    /// until then. So a set-up that needs the effect of the hook must await it in a step.
    ///
    /// No lock is held: `hook` may use this crate in any way, but should not block. If it
    /// panics, [`Handle::settled`](crate::Handle::settled) of the connection reports the
    /// panic, and the hook counts as called. A hook that captures the registry, or a
    /// [`Member`](super::Member) of it, keeps both alive for ever.
    pub fn on_first<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.hooks().on_first = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when a key goes out of use: the last connection under it has been
    /// undone, and is about to settle.
    ///
    /// The thread that unwinds the connection makes the call, before the connection has
    /// settled; otherwise what [`on_first`](Self::on_first) says applies here too. The hook
    /// is also called after the last handle to the registry has been dropped.
    pub fn on_last<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.hooks().on_last = Some(Box::new(hook));
        self
    }

    /// Makes [`Registry::last_close`] remember the `max_keys` keys under which a connection
    /// ended last. A clone of each of these keys is kept.
    pub fn remember_closes(mut self, max_keys: usize) -> Self
    where
        K: Clone,
    {
        self.shared.last_closes = (max_keys > 0).then(|| LastCloses::new(max_keys));
        self
    }

    /// Keeps a holder of a key safe from newcomers until `hold` has passed since it took its
    /// place: a [`take_over`](crate::Registering::take_over), and a
    /// [`join`](crate::Registering::join) under [`Conflict::Replace`], then return
    /// [`KeyError::Held`](crate::KeyError::Held), with the time that is left. So of two
    /// eager clients with the same name each has the key for a while, instead of both of
    /// them evicting each other without end.
    ///
    /// The time is that of the newcomer's runtime: of its scope, or of the calling thread.
    /// Without one every newcomer gets [`KeyError::NoRuntime`](crate::KeyError::NoRuntime). A
    /// holder that has closed holds nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use hangup::{Conflict, KeyError, Registry, Scope};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tabs = Registry::builder(Conflict::Replace)
    ///     .min_hold(Duration::from_secs(5))
    ///     .build();
    /// let scope = Scope::new();
    /// let mut one = scope.open()?.register()?;
    /// one.join(&tabs, "ada", ())?;
    ///
    /// let mut other = scope.open()?.register()?;
    /// let refused = other.join(&tabs, "ada", ()).unwrap_err();
    /// let retry_after = Duration::from_secs(5);
    /// assert_eq!(refused, KeyError::Held { retry_after });
    /// tokio::time::sleep(retry_after).await;
    /// other.join(&tabs, "ada", ())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn min_hold(mut self, hold: Duration) -> Self {
        self.shared.min_hold = (!hold.is_zero()).then(|| MinHold::new(hold));
        self
    }

    /// Gives the registry a name, under which [`Handle::keys`](crate::Handle::keys) tells the
    /// keys that a connection holds in it, as their `Debug` writes them.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::{Conflict, Registry, Scope};
    ///
    /// let workers = Registry::builder(Conflict::Replace).name("workers").build();
    /// let mut setup = Scope::new().open()?.register()?;
    /// setup.join(&workers, "ada", ())?;
    ///
    /// let keys = setup.handle().keys();
    /// assert_eq!((&*keys[0].registry, &*keys[0].key), ("workers", "\"ada\""));
    /// # Ok::<(), hangup::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self
    where
        K: fmt::Debug,
    {
        self.shared.named = Some(Named::new(name.into()));
        self
    }

    /// Hashes the keys with `hasher`, as [`Registry::with_hasher`] does.
    ///
    /// The default is for keys that clients choose. For ids that the server makes itself, a
    /// faster hasher saves some 130 instructions at each join and at each look-up. It should be
    /// randomly keyed all the same where a client could learn many ids and ask for those that
    /// collide, and must spread the upper 32 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use foldhash::quality::RandomState;
    /// use hangup::{Conflict, Registry, Scope};
    ///
    /// let sessions = Registry::builder(Conflict::Reject)
    ///     .hasher(RandomState::default())
    ///     .build();
    /// let mut setup = Scope::new().open()?.register()?;
    /// let id: u64 = 7;
    /// setup.join(&sessions, id, ())?;
    /// # Ok::<(), hangup::Error>(())
    /// ```
    pub fn hasher<T>(self, hasher: T) -> RegistryBuilder<K, V, T> {
        RegistryBuilder {
            shared: self.shared,
            hasher,
        }
    }

    /// The registry, with no member in it.
    #[must_use]
    pub fn build(self) -> Registry<K, V, S> {
        Registry::from_parts(self.shared, self.hasher)
    }

    fn hooks(&mut self) -> &mut Hooks<K> {
        self.shared.hooks.get_or_insert_with(|| Hooks {
            on_first: None::<Hook<K>>,
            on_last: None,
        })
    }
}

impl<K, V, S> fmt::Debug for RegistryBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("conflict", &self.shared.conflict)
            .field("hooks", &self.shared.hooks.is_some())
            .field("remember_closes", &self.shared.last_closes.is_some())
            .field(
                "min_hold",
                &self.shared.min_hold.as_ref().map(MinHold::hold),
            )
            .finish()
    }
}

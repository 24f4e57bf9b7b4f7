//! A registry that is not like all others.

use std::fmt;

use super::hooks::{Hook, Hooks};
use super::last_close::LastCloses;
use super::{Conflict, Registry, Shared};

/// Builds a [`Registry`]. Made by [`Registry::builder`].
///
/// # Examples
///
/// One upstream for all that watch a topic:
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// use hangup::{Conflict, Registry, Scope};
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// # let (first, last) = (Arc::clone(&log), Arc::clone(&log));
/// let watchers = Registry::builder(Conflict::Share { max_per_key: 100 })
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
pub struct RegistryBuilder<K, V> {
    shared: Shared<K, V>,
}

impl<K, V> RegistryBuilder<K, V> {
    pub(super) fn new(conflict: Conflict) -> Self {
        Self {
            shared: Shared::new(conflict),
        }
    }

    /// Calls `hook` when a key comes into use: the first connection takes a place under
    /// it, which may still be in its set-up.
    ///
    /// For one key, this and [`on_last`](Self::on_last) are called in turns, one at a
    /// time, whatever the interleaving is. A key that goes out of use and comes into
    /// use again while a hook is running may have stayed in use for all that the hooks
    /// can tell.
    ///
    /// It is called by the thread that joins, before `join` returns, or after the first
    /// poll of a take-over. But if a hook of the same key is running just then, on another
    /// thread or further up the stack, this one is called there when it has returned, and
    /// nobody waits for it; key and value of the connection for which it is called there
    /// are kept until then. So what a set-up needs of what the hook begins, it should await
    /// in a step.
    ///
    /// No lock is held: `hook` may use this crate in any way, but should not block. If it
    /// panics, [`Handle::settled`](crate::Handle::settled) of the connection reports
    /// it, and the hook counts as called. If it captures the registry, both live for
    /// ever.
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
    /// What [`on_first`](Self::on_first) says holds here as well: it is called by the
    /// thread that unwinds the connection, before it has settled, unless a hook of the
    /// key is running already. It is called also if the registry has been
    /// dropped meanwhile.
    pub fn on_last<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K) + Send + Sync + 'static,
    {
        self.hooks().on_last = Some(Box::new(hook));
        self
    }

    /// Lets [`Registry::last_close`] answer for the `max_keys` keys under which a
    /// connection ended last. Their keys are cloned and kept until then.
    pub fn remember_closes(mut self, max_keys: usize) -> Self
    where
        K: Clone,
    {
        self.shared.last_closes = (max_keys > 0).then(|| LastCloses::new(max_keys));
        self
    }

    /// The registry, with no member in it.
    #[must_use]
    pub fn build(self) -> Registry<K, V> {
        Registry::from_shared(self.shared)
    }

    fn hooks(&mut self) -> &mut Hooks<K> {
        self.shared.hooks.get_or_insert_with(|| Hooks {
            on_first: None::<Hook<K>>,
            on_last: None,
        })
    }
}

impl<K, V> fmt::Debug for RegistryBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("conflict", &self.shared.conflict)
            .field("hooks", &self.shared.hooks.is_some())
            .field("remember_closes", &self.shared.last_closes.is_some())
            .finish()
    }
}

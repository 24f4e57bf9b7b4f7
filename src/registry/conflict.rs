//! What happens when several connections want one key.

use std::num::NonZeroUsize;

/// What happens when a connection joins under a key that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conflict {
    /// The newcomer replaces the holders when it goes live, and they close
    /// [`Superseded`](crate::CloseReason::Superseded). One member per key is visible.
    Replace,
    /// The newcomer is refused with [`KeyError::Taken`](crate::KeyError::Taken),
    /// also while the holder is being set up.
    Reject,
    /// The connections share the key, up to a number of them, including those that are
    /// being set up and those that have not settled; then
    /// [`KeyError::Full`](crate::KeyError::Full). Made by [`share`](Self::share) and
    /// [`share_unbounded`](Self::share_unbounded).
    Share {
        /// How many connections may hold one key at once.
        max_per_key: NonZeroUsize,
    },
}

impl Conflict {
    /// [`Share`](Self::Share) with at most so many connections under a key.
    ///
    /// # Panics
    ///
    /// If `max_per_key` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::Conflict;
    /// const AGENTS: Conflict = Conflict::share(4);
    /// ```
    #[must_use]
    pub const fn share(max_per_key: usize) -> Self {
        let max_per_key = NonZeroUsize::new(max_per_key).expect("a key that none may hold");
        Self::Share { max_per_key }
    }

    /// [`Share`](Self::Share) with any number of connections under a key. Under the key `()`
    /// that is a list of all connections, to send something to each of them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hangup::{Conflict, Registry, Scope};
    /// # use std::sync::mpsc::{Sender, channel};
    /// let everyone: Registry<(), Sender<&str>> = Registry::new(Conflict::share_unbounded());
    ///
    /// let mut setup = Scope::new().open()?.register()?;
    /// let (sender, receiver) = channel();
    /// setup.join(&everyone, (), sender)?;
    /// let live = setup.go_live()?;
    ///
    /// for member in everyone.members(&()) {
    ///     member.send("hello")?;
    /// }
    /// assert_eq!(receiver.recv(), Ok("hello"));
    /// # drop(live);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn share_unbounded() -> Self {
        let max_per_key = NonZeroUsize::MAX;
        Self::Share { max_per_key }
    }
}

//! The same server twice: on this crate, and by hand.

use std::hash::Hash;

use hangup::{Conflict, Live, Registry, Scope};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::entry::{Entry, Members};

/// How many are live beside those that come and go: a server is not empty.
pub(crate) const RESIDENTS: u64 = 1000;

pub(crate) struct OnHangup<K> {
    pub(crate) scope: Scope,
    pub(crate) registry: Registry<K, ()>,
    _residents: Vec<Live>,
}

pub(crate) struct ByHand<K: Hash + Eq> {
    pub(crate) root: CancellationToken,
    pub(crate) members: Members<K>,
    _residents: Vec<Guards<K>>,
}

/// What its owner has of a connection: dropping it ends it.
pub(crate) type Guards<K> = (Entry<K>, DropGuard);

impl<K> OnHangup<K>
where
    K: Hash + Eq + Send + Sync + 'static,
{
    pub(crate) fn empty() -> Self {
        Self {
            scope: Scope::new(),
            registry: Registry::new(Conflict::Replace),
            _residents: Vec::new(),
        }
    }

    pub(crate) fn new(key: fn(u64) -> K) -> Self {
        let server = Self::empty();
        let residents = (0..RESIDENTS).map(|it| server.connect(key(it)));
        Self {
            _residents: residents.collect(),
            ..server
        }
    }

    pub(crate) fn connect(&self, key: K) -> Live {
        self.try_connect(key).unwrap()
    }

    /// `None` if a newcomer was quicker.
    pub(crate) fn try_connect(&self, key: K) -> Option<Live> {
        let mut setup = self.scope.open().ok()?.register().ok()?;
        setup.join(&self.registry, key, ()).ok()?;
        setup.go_live().ok()
    }
}

impl<K: Hash + Eq + Clone> ByHand<K> {
    pub(crate) fn empty() -> Self {
        Self {
            root: CancellationToken::new(),
            members: Members::default(),
            _residents: Vec::new(),
        }
    }

    pub(crate) fn new(key: fn(u64) -> K) -> Self {
        let server = Self::empty();
        let residents = (0..RESIDENTS).map(|it| server.connect(key(it)));
        Self {
            _residents: residents.collect(),
            ..server
        }
    }

    pub(crate) fn connect(&self, key: K) -> Guards<K> {
        let token = self.root.child_token();
        let entry = Entry::insert(&self.members, key, &token);
        (entry, token.drop_guard())
    }
}

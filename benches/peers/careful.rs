//! What has to be written by hand for some of what this crate sees to: who leaves removes
//! nobody else, nobody is found before it is live, and a drain waits until all have left.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::RESIDENTS;

pub(crate) struct Careful<S: BuildHasher + Clone = RandomState> {
    root: CancellationToken,
    members: Arc<DashMap<u64, Arc<Connection>, S>>,
    /// Empty when all have left.
    inside: TaskTracker,
    _residents: Vec<Guard<S>>,
}

struct Connection {
    token: CancellationToken,
    is_live: AtomicBool,
}

pub(crate) struct Guard<S: BuildHasher + Clone = RandomState> {
    members: Arc<DashMap<u64, Arc<Connection>, S>>,
    key: u64,
    connection: Arc<Connection>,
    /// The last to go.
    _inside: TaskTrackerToken,
}

impl<S: BuildHasher + Clone + Default> Careful<S> {
    pub(crate) fn new() -> Self {
        let server = Self {
            root: CancellationToken::new(),
            members: Arc::default(),
            inside: TaskTracker::new(),
            _residents: Vec::new(),
        };
        let residents = (0..RESIDENTS).map(|key| server.connect(key));
        Self {
            _residents: residents.collect(),
            ..server
        }
    }

    pub(crate) fn connect(&self, key: u64) -> Guard<S> {
        let guard = Guard {
            members: Arc::clone(&self.members),
            key,
            connection: Arc::new(Connection {
                token: self.root.child_token(),
                is_live: AtomicBool::new(false),
            }),
            _inside: self.inside.token(),
        };
        let replaced = self.members.insert(key, Arc::clone(&guard.connection));
        // Here come the awaits of a set-up.
        guard.connection.is_live.store(true, Ordering::Release);
        if let Some(replaced) = replaced {
            replaced.token.cancel();
        }
        guard
    }
}

impl<S: BuildHasher + Clone> Drop for Guard<S> {
    fn drop(&mut self) {
        self.connection.is_live.store(false, Ordering::Release);
        self.members
            .remove_if(&self.key, |_, it| Arc::ptr_eq(it, &self.connection));
        self.connection.token.cancel();
    }
}

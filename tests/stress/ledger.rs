//! What was begun, and what of it is over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hangup::{Closed, Registering, Registry, RegistryBuilder, Scope};

/// Undos: as many have to run as were registered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Undos {
    registered: Arc<AtomicUsize>,
    ran: Arc<AtomicUsize>,
}

impl Undos {
    pub(crate) fn on_close(&self, setup: &mut Registering, undo: impl FnOnce() + Send + 'static) {
        let ran = Arc::clone(&self.ran);
        self.registered.fetch_add(1, Ordering::SeqCst);
        // It runs in any case.
        let _: Result<(), Closed> = setup.on_close(move || {
            undo();
            ran.fetch_add(1, Ordering::SeqCst);
        });
    }

    pub(crate) fn hold(&self, setup: &mut Registering, value: impl Send + 'static) {
        self.on_close(setup, move || drop(value));
    }
}

/// Counts those that are there at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

#[derive(Debug)]
pub(crate) struct Inside(Gauge);

impl Gauge {
    pub(crate) fn enter(&self, most: usize) -> Inside {
        let inside = self.0.fetch_add(1, Ordering::SeqCst);
        assert!(inside < most, "one too many: {inside} are there already");
        Inside(self.clone())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let Gauge(inside) = &self.0;
        inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The hooks of a registry: for each key in turns, one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<[Turn; 3]>);

#[derive(Debug, Default)]
struct Turn {
    is_in_use: Mutex<bool>,
    is_in_hook: AtomicBool,
}

impl Turns {
    /// A registry with hooks, for keys from 0 to 2.
    pub(crate) fn of<V>(&self, builder: RegistryBuilder<usize, V>) -> Registry<usize, V> {
        let (first, last) = (self.clone(), self.clone());
        builder
            .on_first(move |key| first.turn(*key, true))
            .on_last(move |key| last.turn(*key, false))
            .build()
    }

    /// A panic in here is counted by the scope.
    fn turn(&self, key: usize, comes_into_use: bool) {
        let turn = &self.0[key];
        assert!(!turn.is_in_hook.swap(true, Ordering::SeqCst), "two at once");
        std::thread::yield_now();
        let before = std::mem::replace(&mut *turn.is_in_use.lock().unwrap(), comes_into_use);
        turn.is_in_hook.store(false, Ordering::SeqCst);
        assert_ne!(before, comes_into_use, "twice the same hook");
    }

    fn assert_over(&self) {
        for turn in &*self.0 {
            assert!(!*turn.is_in_use.lock().unwrap(), "a key is in use for ever");
        }
    }
}

/// When all threads are done, and all connections gone.
pub(crate) fn assert_nothing_is_left<V>(
    scope: &Scope,
    registry: &Registry<usize, V>,
    opened: usize,
    undos: &Undos,
    turns: &Turns,
) where
    V: Send + Sync + 'static,
{
    assert!(registry.is_empty());
    assert_eq!((registry.len(), registry.iter().count()), (0, 0));
    assert_eq!(registry.keys().count(), 0);
    turns.assert_over();

    let ran = undos.ran.load(Ordering::SeqCst);
    assert_eq!(ran, undos.registered.load(Ordering::SeqCst));
    let stats = scope.stats();
    assert!(scope.handles().is_empty());
    assert_eq!((stats.open(), stats.settling), (0, 0), "{stats:?}");
    assert_eq!(
        stats.closed.values().sum::<u64>(),
        opened as u64,
        "{stats:?}"
    );
    assert_eq!(
        (stats.undos_run, stats.panics),
        (ran as u64, 0),
        "{stats:?}"
    );
}

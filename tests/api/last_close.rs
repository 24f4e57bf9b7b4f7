use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use hangup::{CloseReason, Closed, Conflict, Phase, Registering, Registry, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::registering;

fn remembering(max_keys: usize) -> Registry<String, ()> {
    Registry::builder(Conflict::share(2))
        .remember_closes(max_keys)
        .build()
}

fn join(registry: &Registry<String, ()>, key: &str) -> Registering {
    let mut setup = registering();
    setup.join(registry, key.to_owned(), ()).unwrap();
    setup
}

fn reason(registry: &Registry<String, ()>, key: &str) -> Option<CloseReason> {
    registry.last_close(key).map(|closed| closed.reason)
}

#[test]
fn the_last_close_under_a_key_is_known_when_the_key_is_gone() {
    let registry = remembering(2);
    assert_eq!(registry.last_close("a"), None);
    let setup = join(&registry, "a");
    assert_eq!(registry.last_close("a"), None);
    setup.close(CloseReason::App(4)).unwrap();
    let closed = Closed {
        reason: CloseReason::App(4),
        from: Phase::Registering,
    };
    assert_eq!(registry.last_close("a"), Some(closed));

    // The next one does not make it untrue, and then is the last.
    let live = join(&registry, "a").go_live().unwrap();
    assert_eq!(registry.last_close("a"), Some(closed));
    drop(live);
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Dropped));
}

#[test]
fn a_close_is_known_from_the_instant_of_the_close() {
    let registry = remembering(2);
    let mut setup = join(&registry, "a");
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Idle));
    assert_ready!(step.poll()).unwrap_err();
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Idle));
}

#[test]
fn the_key_that_ended_the_longest_ago_is_forgotten_first() {
    let registry = remembering(2);
    for key in ["a", "b", "a", "c"] {
        drop(join(&registry, key));
    }
    assert_eq!(reason(&registry, "b"), None);
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Dropped));
    assert_eq!(reason(&registry, "c"), Some(CloseReason::Dropped));
    for key in 0..1000 {
        drop(join(&registry, &key.to_string()));
    }
    let known = (0..1000).filter(|key| registry.last_close(&key.to_string()).is_some());
    assert_eq!(known.collect::<Vec<_>>(), [998, 999]);
}

#[test]
fn nothing_is_remembered_unless_asked_for() {
    let forgetful = Registry::<String, ()>::new(Conflict::Reject);
    for registry in [&forgetful, &remembering(0)] {
        let mut setup = join(registry, "a");
        let handle = setup.handle();
        let mut step = task::spawn(setup.run(std::future::pending::<()>()));
        assert_pending!(step.poll());
        handle.close(CloseReason::Idle).unwrap();
        assert_eq!(registry.last_close("a"), None);
        drop(step);
        drop(setup);
        assert_eq!(registry.last_close("a"), None);
    }
}

/// Who gives its place back was no connection under the key.
#[test]
fn a_take_over_that_gave_up_is_not_remembered() {
    let registry = remembering(2);
    let mut old = join(&registry, "a");
    old.on_close(|| ()).unwrap();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&registry, "a".to_owned(), ()));
    assert_pending!(taking.poll());
    drop(taking);
    new.close(CloseReason::App(1)).unwrap();
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Superseded));
    drop(step);
    drop(old);
    assert_eq!(reason(&registry, "a"), Some(CloseReason::Superseded));
}

/// Who had closed before it could join was never under the key.
#[test]
fn a_join_that_comes_too_late_is_not_remembered() {
    let registry = remembering(2);
    let mut late = registering();
    late.handle().close(CloseReason::App(1)).unwrap();
    late.join(&registry, "a".to_owned(), ()).unwrap_err();
    assert_eq!(registry.last_close("a"), None);
}

/// A key that is not needed is dropped when the lock is released, also if `Eq` panics.
#[test]
fn a_key_whose_eq_panics_may_look_itself_up_as_it_is_dropped() {
    #[derive(Clone)]
    struct Key(u8, Arc<AtomicU8>, Slot);
    type Slot = Arc<Mutex<Option<Registry<Key, ()>>>>;
    const ARMED: u8 = 1;
    const PANICKED: u8 = 2;
    const LOOKED_UP: u8 = 3;
    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            let armed = (ARMED, PANICKED);
            let swapped = self.1.compare_exchange(armed.0, armed.1, Relaxed, Relaxed);
            assert!(swapped.is_err(), "eq");
            self.0 == other.0
        }
    }
    impl Eq for Key {}
    impl Drop for Key {
        fn drop(&mut self) {
            let (panicked, looked_up) = (PANICKED, LOOKED_UP);
            let swapped = self
                .1
                .compare_exchange(panicked, looked_up, Relaxed, Relaxed);
            if swapped.is_ok() {
                let registry = self.2.lock().unwrap().clone().unwrap();
                let other = Self(9, Arc::clone(&self.1), Arc::clone(&self.2));
                assert_eq!(registry.last_close(&other), None);
            }
        }
    }
    let registry = Registry::builder(Conflict::Reject)
        .remember_closes(9)
        .build();
    let state = Arc::new(AtomicU8::new(0));
    let slot = Arc::new(Mutex::new(Some(registry.clone())));
    let key = Key(7, Arc::clone(&state), Arc::clone(&slot));
    let join = || {
        let mut setup = registering();
        setup.join(&registry, key.clone(), ()).unwrap();
        setup
    };
    drop(join());
    let second = join();
    state.store(ARMED, Relaxed);
    let handle = second.handle();
    drop(second);
    assert_eq!(state.load(Relaxed), LOOKED_UP);
    let settled = assert_ready!(task::spawn(handle.settled()).poll());
    assert_eq!(settled.panics, ["eq"]);
    *slot.lock().unwrap() = None;
}

/// The last hook is called when the slot is gone.
#[test]
fn a_close_is_known_when_the_last_hook_is_called_also_in_a_batch() {
    static SEEN: Mutex<Vec<Option<CloseReason>>> = Mutex::new(Vec::new());
    static REGISTRY: OnceLock<Registry<String, ()>> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| {
        Registry::builder(Conflict::share_unbounded())
            .remember_closes(8)
            .on_last(|key: &String| {
                let seen = reason(REGISTRY.get().unwrap(), key);
                SEEN.lock().unwrap().push(seen);
            })
            .build()
    });
    let live = join(registry, "a").go_live().unwrap();
    live.close(CloseReason::Idle).unwrap();
    let scope = Scope::new();
    let lives = ["b", "c"].map(|key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(registry, key.into(), ()).unwrap();
        setup.go_live().unwrap()
    });
    scope.close_all(CloseReason::Shutdown);
    let shutdown = Some(CloseReason::Shutdown);
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    assert_eq!(seen, [Some(CloseReason::Idle), shutdown, shutdown]);
    drop(lives);
}

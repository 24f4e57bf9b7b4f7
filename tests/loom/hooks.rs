//! The hooks of a registry: the first one comes, the last one goes.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize as Plain, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use hangup::{CloseReason, Conflict, KeyError, Registry, Scope};
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::spawn;

use crate::model::{Count, Fact, model, model_3, poll_once, settled, setup};

/// The keys of this module: it can be seen whether any is left.
type Key = Arc<u8>;

/// Hooks that fail unless they are called in turns, one at a time, and each call sees
/// what the one before did.
struct Turns {
    calls: Plain,
    /// Written `Relaxed`, so that only the edges between the calls make it seen.
    seen: AtomicUsize,
    running: AtomicUsize,
    faults: Plain,
}

impl Turns {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Plain::new(0),
            seen: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            faults: Plain::new(0),
        })
    }

    fn call(&self, is_last: bool) {
        // A fault is noted, not raised: the caller contains it.
        let alone = self.running.swap(1, Relaxed) == 0;
        let (calls, seen) = (self.calls.fetch_add(1, SeqCst), self.seen.load(Relaxed));
        let in_turn = (calls % 2 == 1) == is_last;
        self.seen.store(calls + 1, Relaxed);
        let alone = self.running.swap(0, Relaxed) == 1 && alone;
        if !(alone && in_turn && seen == calls) {
            self.faults.fetch_add(1, SeqCst);
        }
    }

    fn registry(self: &Arc<Self>) -> Registry<Key, ()> {
        let (first, last) = (Arc::clone(self), Arc::clone(self));
        Registry::builder(Conflict::share(9))
            .on_first(move |_: &Key| first.call(false))
            .on_last(move |_| last.call(true))
            .build()
    }

    /// How often the key came into use; it is out of use.
    fn balance(&self) -> usize {
        assert_eq!(self.faults.load(SeqCst), 0, "not in turns");
        let calls = self.calls.load(SeqCst);
        assert_eq!(calls % 2, 0, "a first without a last");
        calls / 2
    }
}

/// One leaves and another one joins: in use all the time, or out of use in between.
#[test]
fn hooks_join_vs_leave() {
    model(|| {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let mut holder = setup();
        holder.join(&registry, Arc::clone(&key), ()).unwrap();
        let leaving = spawn(move || drop(holder));
        let mut newcomer = setup();
        newcomer.join(&registry, Arc::clone(&key), ()).unwrap();
        let newcomer = newcomer.go_live().unwrap();
        leaving.join().unwrap();
        assert_eq!(registry.count(&1_u8), 1);
        drop(newcomer);
        assert!((1..=2).contains(&turns.balance()));
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// Two join and leave while the one that was there leaves.
#[test]
fn hooks_two_joins_vs_leave_3() {
    model_3(2, || {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let mut holder = setup();
        holder.join(&registry, Arc::clone(&key), ()).unwrap();
        let passing = [(); 2].map(|()| {
            let (registry, key) = (registry.clone(), Arc::clone(&key));
            spawn(move || {
                let mut setup = setup();
                setup.join(&registry, key, ()).unwrap();
            })
        });
        drop(holder);
        for passing in passing {
            passing.join().unwrap();
        }
        assert!((1..=3).contains(&turns.balance()));
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// Two come into an empty place at once: one first, and one last.
#[test]
fn hooks_join_vs_join() {
    model(|| {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let other = spawn({
            let (registry, key) = (registry.clone(), Arc::clone(&key));
            move || {
                let mut setup = setup();
                setup.join(&registry, key, ()).unwrap();
                setup
            }
        });
        let mut mine = setup();
        mine.join(&registry, Arc::clone(&key), ()).unwrap();
        let other = other.join().unwrap();
        let leaving = spawn(move || drop(other));
        drop(mine);
        leaving.join().unwrap();
        assert_eq!(turns.balance(), 1);
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// The one that joins is closed meanwhile: both hooks are called, or none.
#[test]
fn hooks_join_vs_close_of_the_joiner() {
    model(|| {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let mut joiner = setup();
        let handle = joiner.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let joined = joiner.join(&registry, Arc::clone(&key), ());
        closer.join().unwrap();
        drop(joiner);
        settled(&handle);
        match joined {
            Ok(()) => assert_eq!(turns.balance(), 1),
            Err(error) => {
                assert!(matches!(error, KeyError::Closed(_)), "{error}");
                assert!(turns.balance() <= 1);
            }
        }
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// The same while another one holds the key and leaves.
#[test]
fn hooks_join_vs_close_of_the_joiner_vs_leave_3() {
    model_3(2, || {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let mut holder = setup();
        holder.join(&registry, Arc::clone(&key), ()).unwrap();
        let leaving = spawn(move || drop(holder));
        let mut joiner = setup();
        let handle = joiner.handle();
        let closer = spawn(move || handle.close(CloseReason::Aborted).unwrap());
        _ = joiner.join(&registry, Arc::clone(&key), ());
        closer.join().unwrap();
        drop(joiner);
        leaving.join().unwrap();
        assert!((1..=2).contains(&turns.balance()));
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// A take-over that is given up while the predecessor leaves: it was in the place, or the
/// place was empty, and in the end it is.
#[test]
fn hooks_withdraw_vs_leave() {
    model(|| {
        let (turns, key) = (Turns::new(), Arc::new(1));
        let registry = turns.registry();
        let mut old = setup();
        old.join(&registry, Arc::clone(&key), ()).unwrap();
        let handle = old.handle();
        let leaving = spawn(move || {
            // In a step, so that the take-over has something to wait for.
            let mut step = Box::pin(old.run(pending::<()>()));
            _ = poll_once(step.as_mut(), Waker::noop());
            drop(step);
            drop(old);
        });
        let mut new = setup();
        {
            let mut taking = Box::pin(new.take_over(&registry, Arc::clone(&key), ()));
            _ = poll_once(taking.as_mut(), Waker::noop());
        }
        leaving.join().unwrap();
        settled(&handle);
        drop(new);
        assert!((1..=2).contains(&turns.balance()));
        assert_eq!(Arc::strong_count(&key), 1, "a seat is left behind");
    });
}

/// I7: when the only one under a key has settled, the last call is over.
#[test]
fn i7_settled_vs_on_last() {
    model(|| {
        let ended = Fact::new();
        let registry: Registry<u8, ()> = Registry::builder(Conflict::Reject)
            .on_last({
                let ended = ended.clone();
                move |_: &u8| ended.state()
            })
            .build();
        let mut setup = setup();
        setup.join(&registry, 1, ()).unwrap();
        let handle = setup.handle();
        let closing = spawn(move || drop(setup));
        block_on(handle.settled());
        assert!(ended.is_seen());
        closing.join().unwrap();
    });
}

/// R12: a hook that panics while its connection is closed is reported and counted once.
#[test]
fn r12_hook_panics_vs_close_of_the_joiner() {
    model(|| {
        let called = Count::default();
        let registry: Registry<u8, ()> = Registry::builder(Conflict::Reject)
            .on_first({
                let called = called.clone();
                move |_: &u8| {
                    called.add();
                    resume_unwind(Box::new("a panic that prints nothing"));
                }
            })
            .build();
        let scope = Scope::new();
        let mut joiner = scope.open().unwrap().register().unwrap();
        let handle = joiner.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        _ = joiner.join(&registry, 1, ());
        closer.join().unwrap();
        drop(joiner);
        assert_eq!(settled(&handle).panics.len(), called.get());
        assert_eq!(scope.stats().panics, called.get() as u64);
    });
}

/// I8: a hook looks its own key up, and joins under it, while another one does as well.
#[test]
fn i8_hook_joins_vs_join() {
    model(|| {
        let (firsts, lasts) = (Count::default(), Count::default());
        let within: Arc<Mutex<Option<Registry<u8, ()>>>> = Arc::default();
        let registry = Registry::builder(Conflict::share(9))
            .on_first({
                let (firsts, within) = (firsts.clone(), Arc::clone(&within));
                move |key: &u8| {
                    firsts.add();
                    let registry = within.lock().unwrap().clone();
                    let Some(registry) = registry else { return };
                    assert!(!registry.contains(key), "nobody is live");
                    let mut guest = setup();
                    guest.join(&registry, *key, ()).unwrap();
                }
            })
            .on_last({
                let lasts = lasts.clone();
                move |_| lasts.add()
            })
            .build();
        *within.lock().unwrap() = Some(registry.clone());
        let other = spawn({
            let registry = registry.clone();
            move || {
                let mut setup = setup();
                setup.join(&registry, 1, ()).unwrap();
            }
        });
        let mut mine = setup();
        mine.join(&registry, 1, ()).unwrap();
        let handle = mine.handle();
        drop(mine);
        other.join().unwrap();
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
        assert!((1..=2).contains(&firsts.get()));
        assert_eq!(firsts.get(), lasts.get());
        // The hook holds the registry, which holds the hook.
        within.lock().unwrap().take();
    });
}

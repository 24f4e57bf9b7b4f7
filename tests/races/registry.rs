//! Two connections meet under one key, or one registry is used from within.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, Weak};
use std::task::{Context, Wake, Waker};
use std::thread;

use hangup::report::{Stats, Transition};
use hangup::{CloseReason, Conflict, Handle, KeyError, Registry, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::registering;

#[test]
fn r8_stale_close_after_a_reconnect() {
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    let old = old.go_live().unwrap();
    let stale = workers.get("ada").unwrap().handle().clone();

    let mut new = registering();
    new.join(&workers, "ada", "new").unwrap();
    let new = new.go_live().unwrap();

    // The old connection's end arrives late, from all sides.
    assert_eq!(
        stale.close(CloseReason::Dropped).unwrap_err().reason,
        CloseReason::Superseded
    );
    drop(old);
    assert_eq!(*workers.get("ada").unwrap(), "new");
    assert!(new.handle().state().is_live());
    assert_eq!(workers.len(), 1);
}

/// The same while the old one's undo is still to run.
#[test]
fn r8_stale_undo_after_a_reconnect() {
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", "old").unwrap();
    let old_handle = old.handle();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    old_handle.close(CloseReason::Aborted).unwrap();

    // Closed is closed: it holds nothing up, though its place is still there.
    let mut new = registering();
    new.join(&workers, "ada", "new").unwrap();
    let new = new.go_live().unwrap();
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(old);
    assert_eq!(*workers.get("ada").unwrap(), "new");
    drop(new);
    assert!(workers.is_empty());
}

/// A newcomer that ends before it has replaced the old one replaces nobody who
/// came after it.
#[test]
fn r8_stale_replacement_after_a_reconnect() {
    let by_name = Registry::new(Conflict::Replace);
    let by_id = Registry::new(Conflict::Replace);
    let newcomer = Arc::new(OnceLock::<Handle>::new());
    let successor = Arc::new(Mutex::new(None));
    let mut old = registering();
    old.join(&by_name, "ada", 0).unwrap();
    old.on_close({
        let (by_id, newcomer, successor) = (by_id.clone(), newcomer.clone(), successor.clone());
        move || {
            // In the middle of being replaced, the newcomer ends and reconnects.
            newcomer.get().unwrap().close(CloseReason::Aborted).unwrap();
            let mut again = registering();
            again.join(&by_id, 7, 2).unwrap();
            *successor.lock().unwrap() = Some(again.go_live().unwrap());
        }
    })
    .unwrap();
    let _old = old.go_live().unwrap();

    let mut new = registering();
    newcomer.set(new.handle()).unwrap();
    new.join(&by_name, "ada", 1).unwrap();
    new.join(&by_id, 7, 1).unwrap();
    drop(new.go_live());
    assert_eq!(by_id.get(&7).as_deref(), Some(&2));
}

/// Who has given its place back is nobody's predecessor.
#[test]
fn r8_stale_replacement_of_one_that_has_left_the_key() {
    let workers = Registry::new(Conflict::Replace);
    let mut old = registering();
    old.join(&workers, "ada", 0).unwrap();
    let mut step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    let mut leaves = registering();
    let mut taking = task::spawn(leaves.take_over(&workers, "ada", 1));
    assert_pending!(taking.poll());
    let mut replaces = registering();
    replaces.join(&workers, "ada", 2).unwrap();
    drop(taking);
    leaves.join(&workers, "bob", 1).unwrap();
    let bob = leaves.go_live().unwrap();
    let ada = replaces.go_live().unwrap();
    assert!(bob.handle().state().is_live());
    assert!(ada.handle().state().is_live());
    assert_eq!(workers.len(), 2);
}

/// Two newcomers go live at once, and the later one stays.
#[test]
fn r8_two_replacements_at_once() {
    const ROUNDS: usize = 300;
    let workers = Registry::new(Conflict::Replace);
    for _ in 0..ROUNDS {
        let (mut earlier, mut later) = (registering(), registering());
        earlier.join(&workers, "ada", 1).unwrap();
        later.join(&workers, "ada", 2).unwrap();
        let start = Barrier::new(2);
        thread::scope(|threads| {
            let earlier = threads.spawn(|| {
                start.wait();
                earlier.go_live()
            });
            start.wait();
            let later = later.go_live().unwrap();
            // Live or refused, it is over.
            drop(earlier.join().unwrap());
            assert_eq!(workers.get("ada").as_deref(), Some(&2));
            drop(later);
        });
    }
}

#[test]
fn r17_undo_re_enters_the_registry() {
    let log = Log::default();
    let workers = Registry::<&str, u32>::new(Conflict::Replace);
    let mut other = registering();
    other.join(&workers, "bob", 2).unwrap();
    let other = other.go_live().unwrap();
    let mut newcomer = registering();
    let mut setup = registering();
    setup.join(&workers, "ada", 1).unwrap();
    setup
        .on_close({
            let (workers, log) = (workers.clone(), log.clone());
            move || {
                assert!(workers.get("ada").is_none());
                assert_eq!(workers.len(), 1);
                newcomer.join(&workers, "ada", 3).unwrap();
                let newcomer = newcomer.go_live().unwrap();
                assert_eq!(*workers.get("ada").unwrap(), 3);
                assert_eq!(workers.close("bob", CloseReason::Idle), 1);
                drop(newcomer);
                log.add("re-entered");
            }
        })
        .unwrap();
    let live = setup.go_live().unwrap();
    assert_eq!(workers.close("ada", CloseReason::App(1)), 1);
    assert_eq!(log.entries(), ["re-entered"]);
    assert!(other.handle().state().is_closed());
    assert!(workers.is_empty());
    let settled = assert_ready!(task::spawn(live.handle().settled()).poll());
    assert!(settled.panics.is_empty(), "{settled:?}");
}

#[test]
fn r17_waker_re_enters_the_registry() {
    struct LooksUp(Registry<&'static str, u32>, Log);
    impl Wake for LooksUp {
        fn wake(self: Arc<Self>) {
            assert!(self.0.get("ada").is_none());
            self.0.close("ada", CloseReason::Idle);
            self.1.add("woken");
        }
    }
    let log = Log::default();
    let workers = Registry::new(Conflict::Replace);
    let mut setup = registering();
    setup.join(&workers, "ada", 1).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    let waker = Waker::from(Arc::new(LooksUp(workers.clone(), log.clone())));
    let mut cx = Context::from_waker(&waker);
    let mut body = live.stream(futures::stream::pending::<u8>());
    assert_pending!(futures::StreamExt::poll_next_unpin(&mut body, &mut cx));
    let mut closed = Box::pin(handle.closed());
    assert_pending!(Future::poll(closed.as_mut(), &mut cx));
    assert_eq!(workers.close("ada", CloseReason::App(1)), 1);
    assert_eq!(log.entries(), ["woken", "woken"]);
}

/// Keys and values are the user's, and so is what their `Drop` does.
#[test]
fn r17_dropped_keys_and_values_re_enter_the_registry() {
    #[derive(Clone)]
    struct ReEnters(&'static str, Weak<Registry<Self, Self>>, Log);
    impl PartialEq for ReEnters {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for ReEnters {}
    impl Hash for ReEnters {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl Drop for ReEnters {
        fn drop(&mut self) {
            if let Some(registry) = self.1.upgrade() {
                let _: usize = registry.len();
                self.2.add(self.0);
            }
        }
    }
    for conflict in [Conflict::Replace, Conflict::Reject, Conflict::share(1)] {
        let log = Log::default();
        let registry = Arc::new(Registry::<ReEnters, ReEnters>::new(conflict));
        let new = |name| ReEnters(name, Arc::downgrade(&registry), log.clone());
        let mut setup = registering();
        setup.join(&registry, new("key"), new("value")).unwrap();
        // A second one under the key, admitted or refused.
        let mut second = registering();
        let admitted = second.join(&registry, new("key"), new("value 2")).is_ok();
        assert_eq!(admitted, conflict == Conflict::Replace);
        drop(second);
        drop(setup.go_live().unwrap());
        assert!(registry.is_empty());
        let dropped = |name| log.entries().iter().filter(|entry| *entry == name).count();
        assert_eq!((dropped("value"), dropped("value 2")), (1, 1));
        assert_eq!(dropped("key"), 2);
    }
}

#[test]
fn r20_cap_checked_first_added_later() {
    // Whoever is still being set up holds its place already.
    let agents = Registry::new(Conflict::share(2));
    let (mut first, mut second, mut third) = (registering(), registering(), registering());
    first.join(&agents, "a", 1).unwrap();
    second.join(&agents, "a", 2).unwrap();
    assert_eq!(third.join(&agents, "a", 3), Err(KeyError::Full));
    drop(second);
    third.join(&agents, "a", 3).unwrap();
    drop((first, third));

    // From real threads: never more than the cap, and none too few.
    const ROUNDS: usize = 200;
    const THREADS: usize = 4;
    for _ in 0..ROUNDS {
        let start = Barrier::new(THREADS);
        let (admitted, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let lives: Vec<_> = thread::scope(|threads| {
            let joiners: Vec<_> = (0..THREADS)
                .map(|_| {
                    threads.spawn(|| {
                        let mut setup = registering();
                        start.wait();
                        setup.join(&agents, "a", 1).ok()?;
                        admitted.fetch_add(1, Ordering::Relaxed);
                        let live = setup.go_live().unwrap();
                        most.fetch_max(agents.count("a"), Ordering::Relaxed);
                        Some(live)
                    })
                })
                .collect();
            joiners
                .into_iter()
                .filter_map(|j| j.join().unwrap())
                .collect()
        });
        assert_eq!(admitted.into_inner(), 2);
        assert!(most.into_inner() <= 2);
        assert_eq!(agents.count("a"), 2);
        drop(lives);
        assert_eq!(agents.count("a"), 0);
    }
}

#[test]
fn r21_two_indexes_of_one_connection() {
    const ROUNDS: usize = 300;
    for _ in 0..ROUNDS {
        let (by_name, by_id) = (
            Registry::new(Conflict::Replace),
            Registry::new(Conflict::Reject),
        );
        let mut setup = registering();
        setup.join(&by_name, "ada", ()).unwrap();
        setup.join(&by_id, 7, ()).unwrap();
        let live = setup.go_live().unwrap();
        let start = Barrier::new(2);
        thread::scope(|threads| {
            threads.spawn(|| {
                start.wait();
                drop(live);
            });
            start.wait();
            // Gone from one, so gone from the other, whichever is asked first.
            if by_id.get(&7).is_none() {
                assert!(by_name.get("ada").is_none());
            }
            if by_name.get("ada").is_none() {
                assert!(by_id.get(&7).is_none());
            }
        });
    }
}

/// Whoever looks through a registry may do anything with it meanwhile.
#[test]
fn r17_a_loop_over_the_registry_re_enters_it() {
    let agents = Registry::builder(Conflict::share(9))
        .remember_closes(9)
        .build();
    let join = |agents: &Registry<u32, u32>, key| {
        let mut setup = registering();
        setup.join(agents, key, key).unwrap();
        setup.go_live().unwrap()
    };
    let lives: Vec<_> = (0..100).map(|key| join(&agents, key)).collect();

    let mut replacements = Vec::new();
    for (key, member) in agents.iter().filter(|(key, _)| *key < 100) {
        assert_eq!(*member, key);
        assert_eq!(agents.close(&key, CloseReason::Idle), 1);
        assert!(!agents.contains(&key));
        replacements.push(join(&agents, 1000 + key));
    }
    assert_eq!((replacements.len(), agents.len()), (100, 100));

    for key in agents.keys() {
        assert_eq!(agents.count(&key), 1);
        replacements.push(join(&agents, key));
    }
    assert_eq!(agents.len(), 200);

    // Who is closed within the loop is not looked at again.
    let mut looked_at = Vec::new();
    let closed = agents.close_where(
        |key, _| {
            looked_at.push(*key);
            assert!(agents.close(&(2099 - key), CloseReason::Idle) <= 2);
            agents
                .last_close(key)
                .is_none_or(|closed| closed.reason == CloseReason::App(1))
        },
        CloseReason::App(1),
    );
    looked_at.dedup();
    assert_eq!((looked_at.len(), closed), (50, 100));
    assert!(agents.is_empty());
    drop((lives, replacements));
}

#[test]
fn r17_hooks_re_enter_the_registry() {
    let (log, slot) = (
        Log::default(),
        Arc::new(Mutex::new(None::<Registry<&str, ()>>)),
    );
    let hook = |name: &'static str| {
        let (log, slot) = (log.clone(), Arc::clone(&slot));
        move |key: &&'static str| {
            log.add(format!("{name} {key}"));
            let registry = &slot.lock().unwrap().clone().unwrap();
            assert_eq!(registry.count(key), 0);
            if *key == "ada" {
                // Comes and goes within the hook, under the same key and another one.
                let mut other = registering();
                other.join(registry, "ada", ()).unwrap();
                other.join(registry, "bob", ()).unwrap();
                drop(other);
            }
            assert_eq!(registry.close("carol", CloseReason::Idle), 0);
        }
    };
    let registry = Registry::builder(Conflict::share(9))
        .on_first(hook("first"))
        .on_last(hook("last"))
        .build();
    *slot.lock().unwrap() = Some(registry.clone());
    let mut setup = registering();
    setup.join(&registry, "ada", ()).unwrap();
    assert_eq!(log.entries(), ["first ada", "first bob", "last bob"]);
    let handle = setup.handle();
    drop(setup);
    let settled = assert_ready!(task::spawn(handle.settled()).poll());
    assert_eq!(settled.panics, [""; 0]);
    let entries = log.entries();
    // The one who came within the last hook was the next to use the key for the
    // hooks, unless it was gone before they could tell.
    assert_eq!(entries[3..], ["last ada", "first bob", "last bob"]);
    // A registry that its own hooks hold would stay.
    drop(slot.lock().unwrap().take());
}

/// An observer is user code as well.
#[test]
fn r17_an_observer_re_enters_scope_and_registry() {
    let (log, slot) = (Log::default(), Arc::new(Mutex::new(None::<Scope>)));
    let registry = Registry::<&str, u32>::new(Conflict::Replace);
    let observer = {
        let (log, slot, registry) = (log.clone(), Arc::clone(&slot), registry.clone());
        move |_: &Handle, transition: &Transition| {
            log.add(format!("{} to {}", transition.from, transition.to));
            let scope = slot.lock().unwrap().clone().unwrap();
            let _: Stats = scope.stats();
            if transition.to.is_live() {
                let live = registry.get("ada").unwrap();
                live.handle().close(CloseReason::App(7)).unwrap();
                scope.begin_drain();
            }
        }
    };
    let scope = Scope::builder().observer(observer).build();
    *slot.lock().unwrap() = Some(scope.clone());
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    setup.join(&registry, "ada", 1).unwrap();
    let live = setup.go_live().unwrap();
    assert!(live.handle().state().is_closed());
    assert_ready!(task::spawn(scope.drained()).poll());
    // Told of one thing at a time: of the close after the observer has returned.
    assert_eq!(
        log.entries(),
        [
            "pending to registering",
            "registering to live",
            "undone",
            "live to closed"
        ]
    );
    // A scope that its own observer holds would stay.
    drop(slot.lock().unwrap().take());
}

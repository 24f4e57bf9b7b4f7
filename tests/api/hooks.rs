use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use hangup::{CloseReason, Conflict, KeyError, Registering, Registry, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::registering;

const SHARE_2: Conflict = Conflict::share(2);

fn logged(conflict: Conflict) -> (Registry<&'static str, u32>, Log) {
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let registry = Registry::builder(conflict)
        .on_first(move |key| first.add(format!("first {key}")))
        .on_last(move |key| last.add(format!("last {key}")))
        .build();
    (registry, log)
}

fn join(registry: &Registry<&'static str, u32>, key: &'static str) -> Registering {
    let mut setup = registering();
    setup.join(registry, key, 0).unwrap();
    setup
}

#[test]
fn hooks_tell_when_a_key_comes_into_use_and_when_it_goes_out_of_use() {
    let (registry, log) = logged(SHARE_2);
    let one = join(&registry, "a");
    assert_eq!(log.entries(), ["first a"]);
    let two = join(&registry, "a").go_live().unwrap();
    let other = join(&registry, "b");
    drop(one);
    assert_eq!(log.entries(), ["first a", "first b"]);
    two.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries()[2..], ["last a"]);
    drop(join(&registry, "a"));
    assert_eq!(log.entries()[3..], ["first a", "last a"]);
    drop(other);
    assert_eq!(log.entries()[5..], ["last b"]);
}

#[test]
fn keys_go_out_of_use_newest_first() {
    let (one, log) = logged(SHARE_2);
    let mut setup = registering();
    for key in ["a", "b", "c"] {
        setup.join(&one, key, 0).unwrap();
    }
    drop(setup);
    assert_eq!(log.entries()[3..], ["last c", "last b", "last a"]);
}

#[test]
fn a_key_is_in_use_until_its_last_connection_is_undone() {
    let (registry, log) = logged(Conflict::Reject);
    let mut setup = join(&registry, "a");
    setup.on_close(log.adds("undone")).unwrap();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["first a"]);
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(setup);
    assert_eq!(log.entries(), ["first a", "undone", "last a"]);
}

#[test]
fn a_key_that_is_taken_over_stays_in_use() {
    let (registry, log) = logged(Conflict::Replace);
    let old = join(&registry, "a").go_live().unwrap();
    let mut new = registering();
    assert_ready!(task::spawn(new.take_over(&registry, "a", 1)).poll()).unwrap();
    let replacing = join(&registry, "a").go_live().unwrap();
    assert_eq!(log.entries(), ["first a"]);
    drop((old, new, replacing));
    assert_eq!(log.entries(), ["first a", "last a"]);
}

#[test]
fn who_is_refused_brings_no_key_into_use() {
    let (registry, log) = logged(Conflict::share(1));
    let held = join(&registry, "a");
    assert_eq!(registering().join(&registry, "a", 0), Err(KeyError::Full));
    assert_eq!(log.entries().len(), 1);
    drop(held);
    let mut closed = registering();
    closed.handle().close(CloseReason::Idle).unwrap();
    let (registry, log_2) = logged(SHARE_2);
    assert!(matches!(
        closed.join(&registry, "a", 0),
        Err(KeyError::Closed(_))
    ));
    assert_eq!((log.entries().len(), log_2.entries().len()), (2, 0));
}

#[test]
fn one_hook_is_enough() {
    let log = Log::default();
    let told = log.clone();
    let registry = Registry::builder(SHARE_2)
        .on_last(move |key: &&str| told.add(*key))
        .build();
    drop(join(&registry, "a"));
    assert_eq!(log.entries(), ["a"]);
}

#[test]
fn a_hook_that_panics_is_reported_and_counts_as_called() {
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let registry = Registry::builder(SHARE_2)
        .on_first(move |_| {
            first.add("first");
            panic!("in first")
        })
        .on_last(move |_| {
            last.add("last");
            panic!("in last")
        })
        .build();
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(&registry, "a", ()).unwrap();
    let handle = setup.handle();
    drop(setup);
    let settled = assert_ready!(task::spawn(handle.settled()).poll());
    assert_eq!(settled.panics, ["in first", "in last"]);
    assert_eq!(scope.stats().panics, 2);
    assert_eq!(log.entries(), ["first", "last"]);
}

#[test]
fn the_last_hook_is_called_though_the_registry_is_gone() {
    let (registry, log) = logged(SHARE_2);
    let setup = join(&registry, "a");
    drop(registry);
    let live = setup.go_live().unwrap();
    drop(live);
    assert_eq!(log.entries(), ["first a", "last a"]);
}

/// Whoever comes while a hook of its key is running leaves its own to that thread,
/// and does not wait.
#[test]
fn hooks_of_one_key_are_called_one_at_a_time_and_nobody_waits() {
    let log = Log::default();
    let (entered, has_entered) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let (first, last) = (log.clone(), log.clone());
    let registry = Registry::builder(SHARE_2)
        .on_first(move |key: &&str| first.add(format!("first {key}")))
        .on_last(move |key| {
            last.add(format!("last {key}"));
            if *key == "a" {
                entered.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
        })
        .build();
    let old = join_any(&registry, "a");
    thread::scope(|threads| {
        let leaver = threads.spawn(|| drop(old));
        has_entered.recv().unwrap();
        let new = join_any(&registry, "a").go_live().unwrap();
        // It is a member already.
        assert!(registry.contains("a"));
        drop(join_any(&registry, "b"));
        assert_eq!(log.entries(), ["first a", "last a", "first b", "last b"]);
        let_go.send(()).unwrap();
        leaver.join().unwrap();
        assert_eq!(log.entries()[4..], ["first a"]);
        let_go.send(()).unwrap();
        drop(new);
        has_entered.recv().unwrap();
        assert_eq!(log.entries()[5..], ["last a"]);
    });
    // Who came and went while the hook was running was nobody to tell of.
    let old = join_any(&registry, "a");
    thread::scope(|threads| {
        let leaver = threads.spawn(|| drop(old));
        has_entered.recv().unwrap();
        has_entered.try_recv().unwrap_err();
        drop(join_any(&registry, "a"));
        let_go.send(()).unwrap();
        leaver.join().unwrap();
    });
    assert_eq!(log.entries()[6..], ["first a", "last a"]);
}

/// Nor are they called at once if somebody has come and left meanwhile.
#[test]
fn a_hook_that_is_running_is_waited_for_though_somebody_left_meanwhile() {
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let registry = Arc::new(OnceLock::<Registry<&'static str, ()>>::new());
    let (weak, held) = (Arc::downgrade(&registry), Arc::new(Mutex::new(None)));
    let holds = Arc::clone(&held);
    let hooked = Registry::builder(SHARE_2)
        .on_first(move |_| first.add("first"))
        .on_last(move |_| {
            last.add("last begins");
            let registry = weak.upgrade();
            if let Some(registry) = registry.as_ref().and_then(|it| it.get()) {
                drop(join_any(registry, "a"));
                *holds.lock().unwrap() = Some(join_any(registry, "a"));
            }
            last.add("last ends");
        })
        .build();
    registry.set(hooked.clone()).unwrap();
    drop(join_any(&hooked, "a"));
    assert_eq!(
        log.entries(),
        ["first", "last begins", "last ends", "first"]
    );
    drop(registry);
    drop(held.lock().unwrap().take());
    assert_eq!(log.entries()[4..], ["last begins", "last ends"]);
}

fn join_any(registry: &Registry<&'static str, ()>, key: &'static str) -> Registering {
    let mut setup = registering();
    setup.join(registry, key, ()).unwrap();
    setup
}

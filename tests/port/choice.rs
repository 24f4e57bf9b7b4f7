//! Which runtime is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use hangup::runtime::{self, BoxFuture, Runtime};
use hangup::{Registering, Scope};

/// Counts the tasks that it is given, and drops them.
#[derive(Clone, Default)]
struct Counts(Arc<AtomicUsize>);

impl Counts {
    fn spawned(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Runtime for Counts {
    fn spawn(&self, _: BoxFuture<()>) {
        self.0.fetch_add(1, SeqCst);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

fn undo_in(scope: &Scope) -> Registering {
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("undo", || async {}).unwrap();
    setup
}

#[test]
fn the_runtime_of_the_scope_comes_before_the_one_of_the_thread() {
    let (given, entered) = (Counts::default(), Counts::default());
    let scope = Scope::builder().runtime(given.clone()).build();
    let _entered = runtime::enter(entered.clone());
    drop(undo_in(&scope));
    assert_eq!((given.spawned(), entered.spawned()), (1, 0));
    drop(undo_in(&Scope::new()));
    assert_eq!((given.spawned(), entered.spawned()), (1, 1));
}

#[test]
fn of_nested_runtimes_the_newest_counts_and_guards_are_dropped_in_any_order() {
    let (outer, inner) = (Counts::default(), Counts::default());
    let outer_guard = runtime::enter(outer.clone());
    let inner_guard = runtime::enter(inner.clone());
    drop(undo_in(&Scope::new()));
    assert_eq!((outer.spawned(), inner.spawned()), (0, 1));
    drop(outer_guard);
    drop(undo_in(&Scope::new()));
    assert_eq!((outer.spawned(), inner.spawned()), (0, 2));
    drop(inner_guard);
    let setup = undo_in(&Scope::new());
    let handle = setup.handle();
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["undo"]);
}

#[test]
fn another_thread_has_not_entered() {
    let counts = Counts::default();
    let _entered = runtime::enter(counts.clone());
    thread::spawn(|| drop(undo_in(&Scope::new())))
        .join()
        .unwrap();
    assert_eq!(counts.spawned(), 0);
}

/// The runtime of an undo is the one at its registration, wherever it closes.
#[test]
fn an_undo_keeps_the_runtime_at_its_registration() {
    let counts = Counts::default();
    let setup = {
        let _entered = runtime::enter(counts.clone());
        undo_in(&Scope::new())
    };
    drop(setup);
    assert_eq!(counts.spawned(), 1);
}

/// A runtime whose drop enters another one, and leaves it.
#[test]
fn a_runtime_may_enter_another_where_it_is_dropped() {
    struct Enters;
    impl Runtime for Enters {
        fn spawn(&self, _: BoxFuture<()>) {}
        fn now(&self) -> Instant {
            Instant::now()
        }
        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }
    }
    impl Drop for Enters {
        fn drop(&mut self) {
            drop(runtime::enter(Counts::default()));
        }
    }
    drop(runtime::enter(Enters));
}

//! Connections that end within each other's undo.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use hangup::{CloseReason, Handle, Registering, Scope};

const DEEP: usize = 20_000;

/// As large as that of a tokio worker.
const STACK: usize = 2 * 1024 * 1024;

fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let builder = thread::Builder::new().stack_size(STACK);
    builder.spawn(run).unwrap().join().unwrap();
}

fn setup(scope: &Scope, undone: &Arc<AtomicUsize>) -> Registering {
    let mut setup = scope.open().unwrap().register().unwrap();
    let undone = Arc::clone(undone);
    let undo = move || _ = undone.fetch_add(1, SeqCst);
    setup.on_close(undo).unwrap();
    setup
}

#[test]
fn connections_that_hold_each_others_owner_end_on_a_small_stack() {
    let (scope, undone) = (Scope::new(), Arc::new(AtomicUsize::new(0)));
    let mut outermost = setup(&scope, &undone);
    for _ in 1..DEEP {
        let mut holder = setup(&scope, &undone);
        holder.hold(outermost).unwrap();
        outermost = holder;
    }
    let seen = scope.clone();
    on_a_small_stack(move || {
        drop(outermost);
        assert_eq!(undone.load(SeqCst), DEEP);
        assert!(seen.handles().is_empty());
    });
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), DEEP as u64);
}

#[test]
fn undos_that_close_the_next_connection_end_on_a_small_stack() {
    let (scope, undone) = (Scope::new(), Arc::new(AtomicUsize::new(0)));
    let mut lives = Vec::new();
    let mut next: Option<Handle> = None;
    for _ in 0..DEEP {
        let mut setup = setup(&scope, &undone);
        if let Some(next) = next.take() {
            setup
                .on_close(move || next.close(CloseReason::App(1)).unwrap())
                .unwrap();
        }
        let live = setup.go_live().unwrap();
        next = Some(live.handle());
        lives.push(live);
    }
    let seen = scope.clone();
    on_a_small_stack(move || {
        next.unwrap().close(CloseReason::App(1)).unwrap();
        assert_eq!(undone.load(SeqCst), DEEP);
        assert!(seen.handles().is_empty());
        drop(lives);
    });
    assert_eq!(scope.stats().closed_as(CloseReason::App(1)), DEEP as u64);
}

/// A close undoes before it returns, unless it stands deep in the undos of others.
#[test]
fn a_close_within_an_undo_undoes_before_it_returns() {
    let (scope, undone) = (Scope::new(), Arc::new(AtomicUsize::new(0)));
    let inner = setup(&scope, &undone).go_live().unwrap();
    let mut outer = setup(&scope, &undone);
    let (handle, seen) = (inner.handle(), Arc::clone(&undone));
    outer
        .on_close(move || {
            handle.close(CloseReason::App(1)).unwrap();
            assert_eq!(seen.load(SeqCst), 1);
            assert!(handle.try_settled().is_some());
        })
        .unwrap();
    let handle = outer.handle();
    drop(outer);
    assert_eq!(handle.try_settled().unwrap().panics.len(), 0);
    assert_eq!(undone.load(SeqCst), 2);
}

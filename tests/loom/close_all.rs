//! A call that closes many, which in a model has batches of two, and portions of one.

use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use hangup::{CloseReason, Conflict, KeyError, Live, Registry, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Woken, model, poll_once, settled};

/// Goes live with the key.
fn connect(scope: &Scope, registry: &Registry<u8, ()>, key: u8) -> Live {
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(registry, key, ()).unwrap();
    setup.go_live().unwrap()
}

/// I2: of two calls each connection is closed by one, and all have settled when both are over.
#[test]
fn i2_close_all_vs_close_all() {
    model(|| {
        let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
        let lives = [1, 2, 3].map(|key| connect(&scope, &registry, key));
        let other = spawn({
            let scope = scope.clone();
            move || scope.close_all(CloseReason::Idle)
        });
        let mine = scope.close_all(CloseReason::Shutdown);
        let others = other.join().unwrap();
        assert_eq!(mine + others, 3);
        assert!(registry.is_empty() && scope.handles().is_empty());
        for live in &lives {
            assert!(settled(&live.handle()).panics.is_empty());
        }
        assert_eq!(scope.stats().closed_as(CloseReason::Idle), others as u64);
    });
}

/// I5: a take-over of a key whose holder is in a batch waits for it, and is woken.
#[test]
fn i5_take_over_vs_close_all() {
    model(|| {
        let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
        let lives = [1, 2].map(|key| connect(&scope, &registry, key));
        let closer = spawn({
            let scope = scope.clone();
            move || scope.close_all(CloseReason::Shutdown)
        });
        let mut new = Scope::new().open().unwrap().register().unwrap();
        let taken = block_on(new.take_over(&registry, 1, ())).unwrap();
        assert!(taken.is_clean() && taken.predecessors <= 1);
        let new = new.go_live().unwrap();
        assert_eq!(registry.get(&1).unwrap().handle().id(), new.id());
        let closed = closer.join().unwrap();
        let superseded = scope.stats().closed_as(CloseReason::Superseded);
        assert_eq!(closed as u64 + superseded, 2);
        assert_eq!(registry.len(), 1);
        drop((lives, new));
        assert!(registry.is_empty());
    });
}

/// I6: what has settled holds no key, and what waits for that is woken.
#[test]
fn i6_settled_vs_close_all() {
    model(|| {
        let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
        let lives = [1, 2].map(|key| connect(&scope, &registry, key));
        let handle = lives[0].handle();
        let closer = spawn({
            let scope = scope.clone();
            move || scope.close_all(CloseReason::Shutdown)
        });
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut wait = pin!(handle.settled());
        let mut new = Scope::new().open().unwrap().register().unwrap();
        let is_settled = poll_once(wait.as_mut(), &waker).is_ready();
        match new.join(&registry, 1, ()) {
            Ok(()) => {}
            Err(refusal) => {
                assert!(!is_settled, "settled, and its key is not free: {refusal}");
                assert!(matches!(refusal, KeyError::Taken | KeyError::Settling));
            }
        }
        closer.join().unwrap();
        if !is_settled {
            assert_eq!(woken.count(), 1);
            assert!(poll_once(wait, &waker).is_ready());
        }
        drop((lives, new));
    });
}

//! What a registry remembers of those who have gone.

use std::sync::Arc;

use hangup::{CloseReason, Conflict, Registry};
use loom::thread::{spawn, yield_now};

use crate::model::{model, setup};

fn remembering(max_keys: usize) -> Registry<u8, u8> {
    Registry::builder(Conflict::share(9))
        .remember_closes(max_keys)
        .build()
}

fn reason(registry: &Registry<u8, u8>) -> Option<CloseReason> {
    registry.last_close(&1).map(|closed| closed.reason)
}

/// Once a connection is seen to have closed, its close is known, while it leaves too.
#[test]
fn last_close_vs_leave() {
    model(|| {
        let registry = remembering(1);
        let mut setup = setup();
        setup.join(&registry, 1, 1).unwrap();
        let handle = setup.handle();
        let closing = spawn(move || setup.close(CloseReason::Idle).unwrap());
        // A load that comes before that of a compare-exchange is no race to loom.
        yield_now();
        if handle.state().is_closed() {
            let closed = registry.last_close(&1).expect("forgotten for a moment");
            assert_eq!(closed.reason, CloseReason::Idle);
        }
        closing.join().unwrap();
        assert_eq!(reason(&registry), Some(CloseReason::Idle));
    });
}

/// It is known at any time from then on, whoever comes and goes after it.
#[test]
fn last_close_vs_successor() {
    model(|| {
        let registry = remembering(1);
        let mut one = setup();
        one.join(&registry, 1, 1).unwrap();
        one.close(CloseReason::Idle).unwrap();
        let passing = spawn({
            let registry = registry.clone();
            move || {
                let mut two = setup();
                two.join(&registry, 1, 2).unwrap();
                two.close(CloseReason::Expired).unwrap();
            }
        });
        let seen = [(); 2].map(|()| registry.last_close(&1).expect("forgotten").reason);
        if seen[0] == CloseReason::Expired {
            assert_eq!(seen[1], CloseReason::Expired, "an older one is back");
        }
        passing.join().unwrap();
        assert_eq!(reason(&registry), Some(CloseReason::Expired));
    });
}

/// Two keys, and memory for one: the one or the other is known in the end, and nothing
/// else is kept.
#[test]
fn last_close_of_two_keys_vs_each_other() {
    model(|| {
        let registry: Registry<Arc<u8>, ()> = Registry::builder(Conflict::Reject)
            .remember_closes(1)
            .build();
        let keys = [Arc::new(1), Arc::new(2)];
        let [one, two] = keys.clone().map(|key| {
            let mut setup = setup();
            setup.join(&registry, key, ()).unwrap();
            setup
        });
        let closing = spawn(move || drop(one));
        drop(two);
        closing.join().unwrap();
        let known = keys
            .each_ref()
            .map(|key| registry.last_close(key).is_some());
        assert!(known[0] != known[1], "{known:?}");
        for (key, known) in keys.iter().zip(known) {
            assert_eq!(Arc::strong_count(key), 1 + usize::from(known));
        }
    });
}

//! A scope that counts, drains and closes all.

use hangup::{CloseReason, Refused, Registering, Scope};
use loom::thread::spawn;

use crate::model::{Count, model};

/// R15, I6: whoever is admitted before the drain is closed by it; nobody after it.
#[test]
fn r15_open_vs_drain() {
    model(|| {
        let scope = Scope::new();
        let opener = spawn({
            let scope = scope.clone();
            move || {
                let pending = match scope.open() {
                    Ok(pending) => pending,
                    Err(refused) => {
                        assert_eq!(refused, Refused::Draining);
                        return None;
                    }
                };
                Some(pending.register().and_then(Registering::go_live))
            }
        });
        scope.begin_drain();
        let closed = scope.close_all(CloseReason::Shutdown);
        let opened = opener.join().unwrap();

        assert_eq!(closed, usize::from(opened.is_some()));
        assert_eq!(scope.stats().open(), 0, "slipped through");
        assert_eq!(
            scope.stats().closed_as(CloseReason::Shutdown),
            closed as u64
        );
        drop(opened);
        assert_eq!(
            scope.stats().closed_as(CloseReason::Shutdown),
            closed as u64
        );
        assert!(scope.handles().is_empty());
    });
}

/// R7: no connection is missing from the counts, or in them twice, at any time.
#[test]
fn r7_stats_vs_close() {
    model(|| {
        let scope = Scope::new();
        let (pending, undone) = (scope.open().unwrap(), Count::default());
        let count = undone.clone();
        let mut setup = pending.register().unwrap();
        setup.on_close(move || count.add());
        let owner = spawn(move || drop(setup.go_live()));
        let stats = scope.stats();
        let settled: u64 = stats.closed.values().sum();
        assert_eq!(stats.open() + stats.settling + settled as usize, 1);
        assert_eq!(stats.undone, settled, "counted with its undo");
        if settled == 1 {
            assert_eq!(undone.get(), 1);
        }
        owner.join().unwrap();
        assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
    });
}

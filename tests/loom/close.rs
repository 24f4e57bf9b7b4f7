//! Closing meets closing, and everything that a close can meet.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use hangup::{CloseReason, Closed, Phase, Registering, Scope, State};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Count, Fact, counted, model, model_3, settled, setup};

/// I1, R7: one closer wins, the other learns its reason; one undo.
#[test]
fn i1_r7_close_vs_close() {
    model(|| {
        let (setup, undone) = counted();
        let handle = setup.handle();
        let other = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle)
        });
        let mine = handle.close(CloseReason::Shutdown);
        let others = other.join().unwrap();

        let winner = match (mine, others) {
            (Ok(()), Err(closed)) => (CloseReason::Shutdown, closed.reason),
            (Err(closed), Ok(())) => (CloseReason::Idle, closed.reason),
            both => panic!("{both:?}"),
        };
        assert_eq!(winner.0, winner.1);
        drop(setup);
        assert_eq!(settled(&handle).closed.reason, winner.0);
        assert_eq!(undone.get(), 1);
    });
}

/// I1, R7: two closers and the owner's drop.
#[test]
fn i1_r7_close_vs_close_vs_owner_drop_3() {
    model_3(3, || {
        let (setup, undone) = counted();
        let handle = setup.handle();
        let closers = [CloseReason::Idle, CloseReason::Shutdown].map(|reason| {
            let handle = handle.clone();
            spawn(move || handle.close(reason))
        });
        drop(setup);
        let won = closers.map(|closer| closer.join().unwrap().is_ok());

        let expected = match won {
            [true, false] => CloseReason::Idle,
            [false, true] => CloseReason::Shutdown,
            [false, false] => CloseReason::Dropped,
            [true, true] => panic!("both won"),
        };
        assert_eq!(settled(&handle).closed.reason, expected);
        assert_eq!(undone.get(), 1);
    });
}

/// I2: the owner goes while somebody closes, in each phase.
#[test]
fn i2_close_vs_owner_drop() {
    for phase in [Phase::Registering, Phase::Live] {
        model(move || {
            let (setup, undone) = counted();
            let handle = setup.handle();
            let closer = spawn({
                let handle = handle.clone();
                move || handle.close(CloseReason::Idle)
            });
            let mut reason = CloseReason::Dropped;
            match phase {
                Phase::Live => drop(setup.go_live()),
                Phase::Pending | Phase::Registering => drop(setup),
            }
            if closer.join().unwrap().is_ok() {
                reason = CloseReason::Idle;
            }
            assert_eq!(settled(&handle).closed.reason, reason);
            assert_eq!(undone.get(), 1);
        });
    }
}

/// R26, I2, R2, R5: what the owner registers while another thread closes is undone once, and
/// before the connection has settled.
#[test]
fn i2_r2_r5_close_vs_on_close() {
    model(|| {
        let (mut setup, first) = counted();
        let second = Count::default();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let count = second.clone();
        _ = setup.on_close(move || count.add());
        closer.join().unwrap();

        // R26: as long as an undo can be registered, the connection has not settled.
        assert_eq!(handle.try_settled(), None);
        assert_eq!((first.get(), second.get()), (0, 0));
        assert!(setup.go_live().is_err());
        assert_eq!(settled(&handle).undos_run, 2);
        assert_eq!((first.get(), second.get()), (1, 1));
    });
}

/// I2: newest first, one at a time, also if the newest is registered after the close.
#[test]
fn i2_close_vs_on_close_newest_first() {
    model(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (busy, overlaps) = (Fact::new(), Count::default());
        let running = Arc::new(AtomicBool::new(false));
        let undo = |n| {
            let (order, busy) = (Arc::clone(&order), busy.clone());
            let (running, overlaps) = (Arc::clone(&running), overlaps.clone());
            move || {
                if running.swap(true, SeqCst) {
                    overlaps.add();
                }
                // Where loom can switch to the other thread.
                busy.state();
                order.lock().unwrap().push(n);
                running.store(false, SeqCst);
            }
        };
        let mut setup = setup();
        let handle = setup.handle();
        setup.on_close(undo(1)).unwrap();
        setup.on_close(undo(2)).unwrap();
        let closer = spawn(move || handle.close(CloseReason::Aborted).unwrap());
        _ = setup.on_close(undo(3));
        closer.join().unwrap();
        drop(setup);

        let order = order.lock().unwrap();
        assert_eq!(**order, [3, 2, 1]);
        assert_eq!(overlaps.get(), 0);
    });
}

/// I2: an undo sees what the owner did before, on whichever thread it runs.
#[test]
fn i2_undo_sees_the_set_up() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let (acquired, seen) = (Fact::new(), Count::default());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        acquired.state();
        let count = seen.clone();
        _ = setup.on_close(move || {
            assert!(acquired.is_seen());
            count.add();
        });
        closer.join().unwrap();
        drop(setup);
        assert_eq!(seen.get(), 1);
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
    });
}

/// I1, R5: live xor closed from `Registering`; undone once either way.
#[test]
fn i1_r5_close_vs_go_live() {
    model(|| {
        let (setup, undone) = counted();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted)
        });
        let live = setup.go_live();
        assert_eq!(closer.join().unwrap(), Ok(()), "nobody else closes");

        let from = match &live {
            Ok(_) => Phase::Live,
            Err(_) => Phase::Registering,
        };
        let reason = CloseReason::Aborted;
        assert_eq!(handle.state(), State::Closed(Closed { reason, from }));
        drop(live);
        assert_eq!(settled(&handle).closed, Closed { reason, from });
        assert_eq!(undone.get(), 1);
    });
}

/// I1: who finds it closed sees what the closer did before, wherever it looks, and
/// so does the undo.
#[test]
fn i1_the_loser_sees_the_winner() {
    // The owner is kept: to drop it would be to look once more.
    let looks: [fn(&mut Registering) -> bool; 3] = [
        |setup| setup.handle().close(CloseReason::Failed).is_err(),
        |setup| block_on(setup.run(async {})).is_err(),
        |setup| {
            // Or loom would not let the closer go first: a load alone, before
            // the load and exchange of another thread, is no choice to it.
            loom::thread::yield_now();
            setup.handle().state().is_closed()
        },
    ];
    for look in looks {
        model(move || {
            let mut setup = setup();
            let handle = setup.handle();
            let decided = Fact::new();
            let undo_saw = Arc::new(AtomicBool::new(false));
            setup
                .on_close({
                    let (decided, saw) = (decided.clone(), Arc::clone(&undo_saw));
                    move || saw.store(decided.is_seen(), SeqCst)
                })
                .unwrap();
            let closer = spawn({
                let decided = decided.clone();
                move || {
                    decided.state();
                    handle.close(CloseReason::Idle).is_ok()
                }
            });
            let lost = look(&mut setup);
            assert!(!lost || decided.is_seen());
            let won = closer.join().unwrap();
            assert!(won || !lost);
            drop(setup);
            assert!(!won || undo_saw.load(SeqCst));
        });
    }
}

/// R4: a close before `register` is the end of it, and nothing is acquired.
#[test]
fn r4_close_vs_register() {
    model(|| {
        let pending = Scope::new().open().unwrap();
        let handle = pending.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted)
        });
        let registering = pending.register();
        assert_eq!(closer.join().unwrap(), Ok(()));
        let from = handle.state().closed().unwrap().from;
        match registering {
            Ok(setup) => {
                assert_eq!(from, Phase::Registering);
                assert_eq!(setup.go_live().unwrap_err().from, Phase::Registering);
            }
            Err(closed) => assert_eq!((from, closed.from), (Phase::Pending, Phase::Pending)),
        }
        settled(&handle);
    });
}

/// I8: an undo may use its connection in any way, also while somebody else does.
#[test]
fn i8_undo_re_enters_vs_close() {
    model(|| {
        let (mut setup, undone) = counted();
        let handle = setup.handle();
        setup
            .on_close({
                let handle = handle.clone();
                move || {
                    assert!(handle.close(CloseReason::Failed).is_err());
                    handle.abandon_undos();
                }
            })
            .unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || _ = handle.close(CloseReason::Aborted)
        });
        drop(setup);
        closer.join().unwrap();
        assert_eq!(settled(&handle).undos_run, 2);
        assert_eq!(undone.get(), 1);
    });
}

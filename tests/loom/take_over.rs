//! Two owners of one key, and never both.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Poll, Waker};

use hangup::{CloseReason, Closed, Conflict, Handle, KeyError, Registry};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Count, Fact, counted, model, model_3, poll_once, settled, setup};
use crate::overlap::Overlap;

/// One owner at a time: acquired after the take-over, given back by the undo.
#[derive(Clone, Default)]
struct Sole(Count, Arc<AtomicBool>);

impl Sole {
    fn undo(&self) -> impl FnOnce() + Send + use<> {
        let Self(undone, held) = self.clone();
        move || {
            held.store(false, SeqCst);
            undone.add();
        }
    }

    fn acquire(&self) {
        assert!(!self.1.swap(true, SeqCst), "two owners");
    }
}

/// I5, R9: a take-over while the predecessor is closed by somebody else waits for
/// that one's undo.
#[test]
fn i5_r9_take_over_vs_close_of_the_predecessor() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let undone = Fact::new();
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        old.on_close({
            let undone = undone.clone();
            move || undone.state()
        })
        .unwrap();
        let old = old.go_live().unwrap();
        let handle = old.handle();
        let closer = spawn(move || handle.close(CloseReason::Idle).is_ok());

        let mut new = setup();
        block_on(new.take_over(&registry, 1, 2)).unwrap();
        assert!(undone.is_seen(), "the undo overlaps the successor's set-up");
        let new = new.go_live().unwrap();
        let reason = match closer.join().unwrap() {
            true => CloseReason::Idle,
            false => CloseReason::Superseded,
        };
        assert_eq!(settled(&old.handle()).closed.reason, reason);
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        drop((old, new));
    });
}

/// I5, R9, R24: the predecessor is in a step: that one stops, is undone, and then
/// the take-over is done.
#[test]
fn i5_r9_r24_take_over_vs_step_of_the_predecessor() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let handle = old.handle();
        let (overlap, step) = Overlap::new(&mut old);
        let predecessor = spawn(move || {
            let closed = block_on(old.run(step)).unwrap_err();
            assert_eq!(closed.reason, CloseReason::Superseded);
        });
        let mut new = setup();
        block_on(new.take_over(&registry, 1, 2)).unwrap();
        assert_eq!(overlap.undos_run.get(), 1, "not undone yet");
        let live = new.go_live().unwrap();
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        predecessor.join().unwrap();
        overlap.check(&handle);
        drop(live);
    });
}

/// R23: two take-overs of one key: never two owners, and in the end exactly one.
#[test]
fn r23_take_over_vs_take_over() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let sole = Sole::default();
        let contend = |n: u8| {
            let (registry, sole) = (registry.clone(), sole.clone());
            move || -> Result<hangup::Live, Closed> {
                let mut setup = setup();
                match block_on(setup.take_over(&registry, 1, n)) {
                    Ok(_) => {}
                    Err(KeyError::Closed(closed)) => return Err(closed),
                    Err(error) => panic!("{error}"),
                }
                block_on(setup.run(async { sole.acquire() }).undo(sole.undo()))?;
                setup.go_live()
            }
        };
        let other = spawn(contend(2));
        let one = contend(1)();
        let two = other.join().unwrap();

        let outcomes = [&one, &two].map(|outcome| match outcome {
            Ok(live) => live.handle().state().closed(),
            Err(closed) => Some(*closed),
        });
        let live = outcomes.iter().filter(|closed| closed.is_none()).count();
        assert_eq!(live, 1, "exactly one: {outcomes:?}");
        for closed in outcomes.into_iter().flatten() {
            assert_eq!(closed.reason, CloseReason::Superseded);
        }
        let expected = if outcomes[0].is_none() { 1 } else { 2 };
        assert_eq!(registry.get(&1).as_deref(), Some(&expected));
        drop((one, two));
        assert!(!sole.1.load(SeqCst), "not given back");
    });
}

/// R23: a predecessor that is being set up itself, on a third thread's live one.
#[test]
fn r23_take_over_vs_take_over_of_a_live_one_3() {
    model_3(2, || {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let undone = Count::default();
        let mut old = setup();
        old.join(&registry, 1, 0).unwrap();
        let count = undone.clone();
        old.on_close(move || count.add()).unwrap();
        let old = old.go_live().unwrap();
        let handle = old.handle();

        let contend = |n: u8| {
            let (registry, undone) = (registry.clone(), undone.clone());
            move || {
                let mut setup = setup();
                block_on(setup.take_over(&registry, 1, n)).ok()?;
                assert_eq!(undone.get(), 1, "the old one's undo has run");
                setup.go_live().ok()
            }
        };
        let others = [spawn(contend(1)), spawn(contend(2))];
        _ = handle.close(CloseReason::Idle);
        let ended = others.map(|other| other.join().unwrap());
        let live = ended
            .iter()
            .flatten()
            .filter(|live| live.handle().state().is_live())
            .count();
        assert_eq!(live, 1);
        assert_eq!(registry.len(), 1);
        drop((old, ended));
    });
}

/// R23, R22: one that waits in a take-over can be closed, however long its
/// predecessor takes.
#[test]
fn r23_take_over_vs_close_of_the_newcomer() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let mut stuck = Box::pin(old.run(pending::<()>()));
        assert!(poll_once(stuck.as_mut(), Waker::noop()).is_pending());

        let (mut new, undone) = counted();
        let handle = new.handle();
        let closer = spawn(move || handle.close(CloseReason::Aborted).unwrap());
        let result = block_on(new.take_over(&registry, 1, 2));
        assert!(matches!(result, Err(KeyError::Closed(_))), "{result:?}");
        closer.join().unwrap();
        drop(new);
        assert_eq!(undone.get(), 1);
        drop(stuck);
    });
}

/// I5: the take-over of a key whose holder is joining at this moment.
#[test]
fn i5_take_over_vs_join() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Replace);
        let value = Arc::new(());
        let mut one = setup();
        let other = spawn({
            let (registry, value) = (registry.clone(), Arc::clone(&value));
            move || {
                let joined = one.join(&registry, 1, value);
                let handle = one.handle();
                // If it was superseded, the take-over waits for this.
                drop(one);
                (joined, handle)
            }
        });
        let mut two = setup();
        let taken = block_on(two.take_over(&registry, 1, Arc::clone(&value)));
        let (joined, one) = other.join().unwrap();
        let closed = one.state().closed();
        assert!(taken.is_ok());
        // It joined first and was superseded, or came later and may replace.
        assert!(joined.is_ok() || closed.is_some());
        drop(two);
        assert_eq!(Arc::strong_count(&value), 1, "a seat is left behind");
    });
}

/// R23: the undo of one that waits in a take-over runs at once, on the thread that closes
/// it: waiting is no step.
#[test]
fn r23_waiting_in_a_take_over_vs_close() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let value = Arc::new(());
        let (_, _, stuck) = in_a_step(&registry);

        let (mut new, undone) = counted();
        let handle = new.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let mut taking = Box::pin(new.take_over(&registry, 1, Arc::clone(&value)));
        let polled = poll_once(taking.as_mut(), Waker::noop());
        closer.join().unwrap();
        if let Poll::Ready(result) = polled {
            assert!(matches!(result, Err(KeyError::Closed(_))), "{result:?}");
        }
        drop(taking);
        drop(new);
        settled(&handle);
        assert_eq!(Arc::strong_count(&value), 1, "its place is left behind");
        drop(stuck);
        assert_eq!(undone.get(), 1);
    });
}

/// A connection under key 1 whose undo, which is counted, waits for the step that it is in
/// to be dropped.
fn in_a_step(registry: &Registry<u8, Arc<()>>) -> (Handle, Count, impl Send + use<>) {
    let (mut old, undone) = counted();
    old.join(registry, 1, Arc::new(())).unwrap();
    let handle = old.handle();
    let mut stuck = Box::pin(async move { old.run(pending::<()>()).await });
    assert!(poll_once(stuck.as_mut(), Waker::noop()).is_pending());
    (handle, undone, stuck)
}

/// I7: a take-over is given up while its connection is closed: the place is given back
/// once, by the one or the other.
#[test]
fn i7_withdraw_vs_close_of_the_newcomer() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let value = Arc::new(());
        let (_, _, stuck) = in_a_step(&registry);

        let (mut new, undone) = counted();
        let handle = new.handle();
        let mut taking = Box::pin(new.take_over(&registry, 1, Arc::clone(&value)));
        assert!(poll_once(taking.as_mut(), Waker::noop()).is_pending());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        drop(taking);
        closer.join().unwrap();
        drop(new);
        assert_eq!(settled(&handle).undos_run, 1);
        assert_eq!(undone.get(), 1);
        assert_eq!(Arc::strong_count(&value), 1, "its place is left behind");

        drop(stuck);
        let mut next = setup();
        block_on(next.take_over(&registry, 1, value)).expect("nobody is in the way");
    });
}

/// I7: a take-over is given up while the predecessor settles: the connection stays open,
/// with no place under the key, and can take one.
#[test]
fn i7_withdraw_vs_settle_of_the_predecessor() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let value = Arc::new(());
        let (old, _, stuck) = in_a_step(&registry);

        let mut new = setup();
        let mut taking = Box::pin(new.take_over(&registry, 1, Arc::clone(&value)));
        assert!(poll_once(taking.as_mut(), Waker::noop()).is_pending());
        let settling = spawn(move || drop(stuck));
        drop(taking);
        assert_eq!(Arc::strong_count(&value), 1, "its place is left behind");

        // I6: the closed one counts until it has settled.
        let joined = new.join(&registry, 1, Arc::clone(&value));
        assert!(matches!(joined, Ok(()) | Err(KeyError::Settling)));
        let live = new.go_live().unwrap();
        assert_eq!(registry.len(), usize::from(joined.is_ok()));
        settling.join().unwrap();
        assert_eq!(settled(&old).closed.reason, CloseReason::Superseded);
        drop(live);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// R23: a take-over is given up while another newcomer takes over: that one closes it, if
/// it finds it, and waits for the predecessor in any case.
#[test]
fn r23_withdraw_vs_take_over() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let value = Arc::new(());
        let (_, undone, stuck) = in_a_step(&registry);

        let mut one = setup();
        let mut taking = Box::pin(one.take_over(&registry, 1, Arc::clone(&value)));
        assert!(poll_once(taking.as_mut(), Waker::noop()).is_pending());
        let other = spawn({
            let (registry, value) = (registry.clone(), Arc::clone(&value));
            move || {
                let mut two = setup();
                block_on(two.take_over(&registry, 1, value)).expect("it is the later one");
                // Whether or not it has said so yet, it is undone.
                assert_eq!(undone.get(), 1);
                two.go_live().unwrap()
            }
        });
        drop(taking);
        drop(stuck);
        let handle = one.handle();
        // If it was superseded, the successor waits for this.
        drop(one);
        let two = other.join().unwrap();
        assert!(two.handle().state().is_live());
        let reason = handle.state().closed().unwrap().reason;
        assert!(matches!(
            reason,
            CloseReason::Superseded | CloseReason::Dropped
        ));
        assert_eq!(registry.len(), 1);
        drop(two);
        assert_eq!(Arc::strong_count(&value), 1, "a place is left behind");
    });
}

/// I5: the deadline passes while the predecessor settles: the newcomer has the place, and
/// sees the undo, or it has no place, and can try again.
#[test]
fn i5_deadline_vs_settle_of_the_predecessor() {
    for deadline_first in [true, false] {
        model(move || {
            let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
            let value = Arc::new(());
            let undone = Fact::new();
            let mut old = setup();
            old.on_close({
                let undone = undone.clone();
                move || undone.state()
            })
            .unwrap();
            old.join(&registry, 1, Arc::new(())).unwrap();
            let mut stuck = Box::pin(async move { old.run(pending::<()>()).await });
            assert!(poll_once(stuck.as_mut(), Waker::noop()).is_pending());

            // A timer that fires when it is dropped.
            let timer = setup();
            let deadline = timer.handle().closed();
            let other = spawn(move || {
                if deadline_first {
                    drop(timer);
                    drop(stuck);
                } else {
                    drop(stuck);
                    drop(timer);
                }
            });
            let mut new = setup();
            let first = new.take_over(&registry, 1, Arc::clone(&value));
            match block_on(first.deadline(deadline)) {
                Ok(_) => assert!(undone.is_seen(), "the undo overlaps the successor"),
                Err(error) => {
                    assert_eq!(error, KeyError::TimedOut);
                    assert_eq!(Arc::strong_count(&value), 1, "its place is left behind");
                    let again = new.take_over(&registry, 1, Arc::clone(&value));
                    block_on(again).unwrap();
                    assert!(undone.is_seen(), "the undo overlaps the successor");
                }
            }
            other.join().unwrap();
            let live = new.go_live().unwrap();
            assert_eq!(registry.len(), 1);
            drop(live);
            assert_eq!(Arc::strong_count(&value), 1);
        });
    }
}

/// I5: one that takes over two at once, the one live and the other one closed by somebody
/// else, waits for both.
#[test]
fn i5_take_over_of_two_vs_close_of_one() {
    model(|| {
        let registry: Registry<u8, ()> = Registry::new(Conflict::share(2));
        let undone = [Fact::new(), Fact::new()];
        let [one, two] = undone.clone().map(|undone| {
            let mut old = setup();
            old.join(&registry, 1, ()).unwrap();
            old.on_close(move || undone.state()).unwrap();
            old.go_live().unwrap()
        });
        let handle = one.handle();
        let closer = spawn(move || _ = handle.close(CloseReason::Idle));
        let mut new = setup();
        block_on(new.take_over(&registry, 1, ())).unwrap();
        assert!(undone.iter().all(Fact::is_seen));
        closer.join().unwrap();
        drop((one, two));
    });
}

/// I5, R23: a take-over waits for all that held the key, also for those that the newest of
/// its predecessors waited for itself, and hears of each of them.
#[test]
fn i5_r23_take_over_of_one_that_waits_itself_3() {
    model_3(2, || {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let (_, undone, stuck) = in_a_step(&registry);
        let (mut between, undone_between) = counted();
        let mut waiting = Box::pin({
            let registry = registry.clone();
            async move {
                let taken = between.take_over(&registry, 1, Arc::new(())).await;
                drop(between);
                taken
            }
        });
        assert!(poll_once(waiting.as_mut(), Waker::noop()).is_pending());
        let ends = spawn(move || drop(stuck));
        let gives_up = spawn(move || {
            // Closed by the newcomer, or told that it has the key and dropped with it.
            let _: Result<_, KeyError> = block_on(waiting);
        });
        let mut new = setup();
        let taken = block_on(new.take_over(&registry, 1, Arc::new(()))).unwrap();
        assert_eq!((undone.get(), undone_between.get()), (1, 1));
        assert!(taken.is_clean() && taken.predecessors <= 2);
        ends.join().unwrap();
        gives_up.join().unwrap();
    });
}

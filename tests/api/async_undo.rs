//! Undos that run on tasks, spawned by hand: the test polls them, or drops them.

use std::time::Duration;

use futures::channel::oneshot;
use futures::executor::block_on;
use hangup::runtime::BoxFuture;
use hangup::{CloseReason, Deadlines, Handle, Registering};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;
use crate::support::registering;
use crate::support::spawn_with::OnCloseSpawn;
use crate::support::tasks::Tasks;
use crate::support::timed::Timed;

/// The only one.
fn next(tasks: &Tasks) -> task::Spawn<BoxFuture<()>> {
    let task = tasks.take().expect("one was spawned");
    assert!(tasks.take().is_none(), "and no other");
    task::spawn(task)
}

/// Undoes, newest first: `new`, then what is asynchronous, then `old`.
fn layered(log: &Log, tasks: &Tasks) -> (Registering, oneshot::Sender<()>) {
    let (go_on, gate) = oneshot::channel::<()>();
    let mut setup = registering();
    setup.on_close(log.adds("old")).unwrap();
    let inner = log.clone();
    setup
        .on_close_spawn("pause ada", tasks.spawn(), move || async move {
            inner.add("begun");
            let _stopped = inner.on_drop("dropped");
            gate.await.unwrap();
            inner.add("complete");
        })
        .unwrap();
    setup.on_close(log.adds("new")).unwrap();
    (setup, go_on)
}

fn unfinished(handle: &Handle) -> Vec<String> {
    handle.try_settled().unwrap().abandoned
}

#[test]
fn an_asynchronous_undo_has_its_turn_and_nobody_waits_on_the_thread() {
    let (log, tasks) = (Log::default(), Tasks::default());
    let (setup, go_on) = layered(&log, &tasks);
    let handle = setup.handle();
    handle.close(CloseReason::Idle).unwrap();
    drop(setup);
    assert_eq!(log.entries(), ["new"]);

    let mut settled = task::spawn(handle.settled());
    let mut undo = next(&tasks);
    assert_pending!(undo.poll());
    assert_eq!(log.entries(), ["new", "begun"]);
    assert_pending!(settled.poll());
    go_on.send(()).unwrap();
    assert!(undo.is_woken());
    assert_ready!(undo.poll());
    assert_eq!(
        log.entries(),
        ["new", "begun", "complete", "dropped", "old"]
    );
    assert!(settled.is_woken());
    let settled = assert_ready!(settled.poll());
    assert_eq!((settled.undos_run, settled.abandoned.len()), (3, 0));
}

#[test]
fn an_undo_whose_task_is_dropped_is_reported_by_name_and_the_older_ones_follow() {
    for polled in [false, true] {
        let (log, tasks) = (Log::default(), Tasks::default());
        let (setup, _go_on) = layered(&log, &tasks);
        let (handle, scope) = (setup.handle(), setup.scope());
        drop(setup);
        let mut undo = next(&tasks);
        if polled {
            assert_pending!(undo.poll());
        }
        drop(undo);
        assert_eq!(unfinished(&handle), ["pause ada"]);
        assert_eq!(handle.try_settled().unwrap().undos_run, 3);
        assert_eq!(scope.stats().undos_abandoned, 1);
        let expected: &[_] = if polled {
            &["new", "begun", "dropped", "old"]
        } else {
            &["new", "old"]
        };
        assert_eq!(log.entries(), expected);
    }
}

/// No executor at all: the undo cannot run, and is not lost silently. However many there
/// are, none waits on the stack of the other.
#[test]
fn undos_that_cannot_run_are_reported_however_many() {
    const UNDOS: usize = 100_000;
    let mut setup = registering();
    for _ in 0..UNDOS {
        setup.on_close_spawn("lost", drop, || async {}).unwrap();
    }
    let handle = setup.handle();
    drop(setup);
    assert_eq!(unfinished(&handle).len(), UNDOS);
}

/// It may run the task to its end before it returns, too.
#[test]
fn undos_may_run_where_they_are_spawned() {
    const UNDOS: usize = 10_000;
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("old")).unwrap();
    for _ in 0..UNDOS {
        setup
            .on_close_spawn("inline", block_on, || async {})
            .unwrap();
    }
    let handle = setup.handle();
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().undos_run, UNDOS + 1);
    assert!(unfinished(&handle).is_empty());
    assert_eq!(log.entries(), ["old"]);
}

#[test]
fn a_panic_anywhere_in_an_asynchronous_undo_costs_no_other_its_turn() {
    type Register = fn(&mut Registering, &Tasks);
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let registers: [(&str, Register, usize); 5] = [
        (
            "in spawn",
            |setup, _| {
                setup
                    .on_close_spawn("boom", |_| panic!("in spawn"), || async {})
                    .unwrap();
            },
            1,
        ),
        (
            "in begin",
            |setup, tasks| {
                let begin = || -> std::future::Ready<()> { panic!("in begin") };
                setup.on_close_spawn("boom", tasks.spawn(), begin).unwrap();
            },
            0,
        ),
        (
            "in poll",
            |setup, tasks| {
                setup
                    .on_close_spawn("boom", tasks.spawn(), || async { panic!("in poll") })
                    .unwrap();
            },
            0,
        ),
        (
            "in drop",
            |setup, tasks| {
                setup
                    .on_close_spawn("boom", tasks.spawn(), || {
                        let bomb = Bomb;
                        std::future::poll_fn(move |_| {
                            let _bomb = &bomb;
                            std::task::Poll::Ready(())
                        })
                    })
                    .unwrap();
            },
            0,
        ),
        (
            "in drop",
            |setup, tasks| {
                let bomb = Bomb;
                setup
                    .on_close_spawn(
                        "boom",
                        {
                            let spawn = tasks.spawn();
                            move |task| {
                                spawn(task);
                            }
                        },
                        move || {
                            let bomb = bomb;
                            async move {
                                let _bomb = bomb;
                                std::future::pending::<()>().await;
                            }
                        },
                    )
                    .unwrap();
            },
            1,
        ),
    ];
    for (message, register, lost) in registers {
        let (log, tasks) = (Log::default(), Tasks::default());
        let mut setup = registering();
        setup.on_close(log.adds("old")).unwrap();
        register(&mut setup, &tasks);
        let handle = setup.handle();
        drop(setup);
        if let Some(task) = tasks.take() {
            if task::spawn(task).poll().is_pending() {
                assert_eq!(lost, 1, "{message}");
            }
        }
        let settled = handle.try_settled().unwrap();
        assert_eq!(settled.panics, [message]);
        assert_eq!(settled.abandoned.len(), lost, "{message}");
        assert_eq!(log.entries(), ["old"]);
    }
}

#[test]
fn one_that_is_registered_after_the_close_has_its_turn() {
    let (log, tasks) = (Log::default(), Tasks::default());
    let mut setup = registering();
    let (handle, scope) = (setup.handle(), setup.scope());
    handle.close(CloseReason::Idle).unwrap();
    let late = log.adds("late");
    let late = setup.on_close_spawn("late", tasks.spawn(), || async { late() });
    assert!(late.is_err());
    assert!(setup.on_close_spawn("later", drop, || async {}).is_err());
    drop(setup);
    assert_eq!(handle.try_settled(), None);
    assert_ready!(next(&tasks).poll());
    assert_eq!(log.entries(), ["late"]);
    assert_eq!(unfinished(&handle), ["later"]);
    let stats = scope.stats();
    assert_eq!((stats.undos_run, stats.undos_abandoned), (2, 1));
}

#[test]
fn an_undo_that_overruns_its_deadline_is_given_up_by_name() {
    const LIMIT: Duration = Duration::from_secs(10);
    let (log, tasks) = (Log::default(), Tasks::default());
    let mut timed = Timed::new(Deadlines::new().undo(LIMIT));
    let mut setup = timed.open().register().unwrap();
    let handle = setup.handle();
    setup.on_close(log.adds("old")).unwrap();
    for name in ["second", "first"] {
        setup
            .on_close_spawn(name, tasks.spawn(), std::future::pending)
            .unwrap();
    }
    // Only the time of the undo counts.
    timed.after(LIMIT * 100);
    drop(setup);
    for _ in 0..2 {
        let mut undo = next(&tasks);
        assert_pending!(undo.poll());
        timed.date();
        timed.after(LIMIT - Duration::from_millis(1));
        assert!(!undo.is_woken());
        assert!(handle.try_settled().is_none());
        // None is closed by it: it was closed before.
        assert_eq!(timed.after(Duration::from_millis(1)), 0);
        assert!(undo.is_woken());
        assert_ready!(undo.poll());
    }
    assert_eq!(unfinished(&handle), ["first", "second"]);
    assert_eq!(log.entries(), ["old"]);
}

#[test]
fn undos_that_are_forsaken_are_given_up_and_those_after_them_never_begun() {
    let (log, tasks) = (Log::default(), Tasks::default());
    let mut setup = registering();
    let handle = setup.handle();
    let begun = log.adds("begun");
    setup
        .on_close_spawn("second", tasks.spawn(), || async { begun() })
        .unwrap();
    setup.on_close(log.adds("between")).unwrap();
    setup
        .on_close_spawn("first", tasks.spawn(), std::future::pending)
        .unwrap();
    drop(setup);
    let mut undo = next(&tasks);
    assert_pending!(undo.poll());
    handle.abandon_undos();
    assert!(undo.is_woken());
    assert_ready!(undo.poll());
    assert_ready!(next(&tasks).poll());
    assert_eq!(log.entries(), ["between"]);
    assert_eq!(unfinished(&handle), ["first", "second"]);
}

#[test]
fn to_forsake_the_undos_closes_nothing_and_holds_for_those_that_come() {
    let (log, tasks) = (Log::default(), Tasks::default());
    let (mut setup, _go_on) = layered(&log, &tasks);
    let handle = setup.handle();
    handle.abandon_undos();
    assert!(!handle.state().is_closed());
    setup
        .on_close_spawn("newest", tasks.spawn(), || async {})
        .unwrap();
    drop(setup);
    assert_ready!(next(&tasks).poll());
    assert_ready!(next(&tasks).poll());
    assert_eq!(unfinished(&handle), ["newest", "pause ada"]);
    assert_eq!(log.entries(), ["new", "old"]);
}

/// The waiters learn of the close before the undos have their turn, whatever is on top.
#[test]
fn a_close_wakes_its_waiters_whatever_undo_comes_first() {
    type Acquire = fn(&mut Registering, &Tasks);
    let on_top: [Acquire; 3] = [
        |_, _| (),
        |setup, _| setup.on_close(|| ()).unwrap(),
        |setup, tasks| {
            setup
                .on_close_spawn("hang", tasks.spawn(), std::future::pending)
                .unwrap();
        },
    ];
    for acquire in on_top {
        let (mut setup, tasks) = (registering(), Tasks::default());
        acquire(&mut setup, &tasks);
        let handle = setup.handle();
        let mut closed = task::spawn(handle.closed());
        assert_pending!(closed.poll());
        handle.close(CloseReason::Idle).unwrap();
        assert!(closed.is_woken());
        assert_eq!(assert_ready!(closed.poll()).reason, CloseReason::Idle);
    }
}

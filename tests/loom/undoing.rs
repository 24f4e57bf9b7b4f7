//! An undo that takes its time, and all that it can meet.

use std::future::{Future, pending, ready};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hangup::report::Settled;
use hangup::runtime::BoxFuture;
use hangup::{CloseReason, Conflict, Registering, Registry, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Count, Fact, date, model, model_3, poll_once, settled, setup};
use crate::spawn_with::OnCloseSpawn;

const LIMIT: Duration = Duration::from_secs(10);

/// Undos that note when each was over, and whether two of them ran at once.
#[derive(Clone)]
pub(crate) struct Order {
    ended: Arc<Mutex<Vec<u8>>>,
    running: Arc<AtomicBool>,
    overlaps: Count,
    busy: Fact,
}

/// One that runs, until it is dropped.
pub(crate) struct Running(Order, u8);

impl Order {
    pub(crate) fn new() -> Self {
        Self {
            ended: Arc::default(),
            running: Arc::default(),
            overlaps: Count::default(),
            busy: Fact::new(),
        }
    }

    fn begin(&self, n: u8) -> Running {
        if self.running.swap(true, SeqCst) {
            self.overlaps.add();
        }
        // Where loom can switch to the other thread.
        self.busy.state();
        Running(self.clone(), n)
    }

    pub(crate) fn undo(&self, n: u8) -> impl FnOnce() + Send + use<> {
        let order = self.clone();
        move || drop(order.begin(n))
    }

    pub(crate) fn slow(&self, n: u8) -> impl FnOnce() -> Slow + Send + use<> {
        let order = self.clone();
        move || Slow(order.begin(n))
    }

    pub(crate) fn ended(&self) -> Vec<u8> {
        self.ended.lock().unwrap().clone()
    }

    pub(crate) fn check(&self, expected: &[&[u8]]) {
        let ended = self.ended.lock().unwrap();
        assert!(expected.contains(&&**ended), "{ended:?}");
        assert_eq!(self.overlaps.get(), 0, "two at once");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.busy.state();
        self.0.ended.lock().unwrap().push(self.1);
        self.0.running.store(false, SeqCst);
    }
}

/// Runs until it is dropped, not only until it is complete.
pub(crate) struct Slow(Running);

impl Future for Slow {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.0.busy.state();
        Poll::Ready(())
    }
}

/// Where a task is kept until somebody runs it.
#[derive(Clone, Default)]
pub(crate) struct Task(Arc<Mutex<Option<BoxFuture<()>>>>);

impl Task {
    pub(crate) fn keep(&self) -> impl FnOnce(BoxFuture<()>) + Send + use<> {
        let kept = self.clone();
        move |task| *kept.0.lock().unwrap() = Some(task)
    }

    pub(crate) fn take(&self) -> Option<BoxFuture<()>> {
        self.0.lock().unwrap().take()
    }
}

pub(crate) fn on_a_thread(task: BoxFuture<()>) {
    spawn(|| block_on(task));
}

fn with_undo_deadline() -> Registering {
    let scope = Scope::builder().swept_by_hand().build();
    let pending = scope.open_with(|it| it.undo(LIMIT));
    pending.unwrap().register().unwrap()
}

/// Whatever runs by now is overdue at the last look.
fn sweep_until_overdue(scope: &Scope) {
    let now = Instant::now();
    date(scope, now);
    scope.sweep(now + LIMIT);
}

/// I2: an asynchronous undo ends on another thread, before whoever began it has come back
/// or after: one of the two goes on, and the older undo comes after it.
#[test]
fn i2_async_undo_ends_elsewhere_vs_begin() {
    let spawns: [fn(BoxFuture<()>); 4] = [
        on_a_thread,
        |task| {
            spawn(|| drop(task));
        },
        |task| {
            on_a_thread(task);
            resume_unwind(Box::new("after that"));
        },
        // Here, before it comes back.
        block_on,
    ];
    for (case, run) in spawns.into_iter().enumerate() {
        model(move || {
            let order = Order::new();
            let mut setup = setup();
            let handle = setup.handle();
            setup.on_close(order.undo(1)).unwrap();
            setup.on_close_spawn("slow", run, order.slow(2)).unwrap();
            setup.on_close(order.undo(3)).unwrap();
            drop(setup);
            let Settled {
                undos_run,
                panics,
                abandoned,
                ..
            } = block_on(handle.settled());
            assert_eq!(undos_run, 3);
            assert_eq!(panics.len(), usize::from(case == 2));
            assert_eq!(abandoned.len(), usize::from(case == 1));
            // The one that is dropped before it was polled has not begun.
            order.check(if case == 1 { &[&[3, 1]] } else { &[&[3, 2, 1]] });
        });
    }
}

/// I2: the same twice in a row, so that the duty goes back and forth.
#[test]
fn i2_two_async_undos_end_elsewhere_3() {
    model_3(3, || {
        let order = Order::new();
        let mut setup = setup();
        let handle = setup.handle();
        setup.on_close(order.undo(1)).unwrap();
        setup
            .on_close_spawn("older", on_a_thread, order.slow(2))
            .unwrap();
        setup
            .on_close_spawn("newer", on_a_thread, order.slow(3))
            .unwrap();
        drop(setup);
        assert_eq!(block_on(handle.settled()).undos_run, 3);
        order.check(&[&[3, 2, 1]]);
    });
}

/// I2: the older undo, and whoever waits, see what the asynchronous one did.
#[test]
fn i2_settled_vs_async_undo() {
    model(|| {
        let mut setup = setup();
        let handle = setup.handle();
        let (undone, seen) = (Fact::new(), Count::default());
        setup
            .on_close({
                let (undone, seen) = (undone.clone(), seen.clone());
                move || {
                    if undone.is_seen() {
                        seen.add();
                    }
                }
            })
            .unwrap();
        let fact = undone.clone();
        setup
            .on_close_spawn("slow", on_a_thread, move || async move { fact.state() })
            .unwrap();
        drop(setup);
        if poll_once(pin!(handle.settled()), Waker::noop()).is_ready() {
            assert!(undone.is_seen());
        }
        assert_eq!(block_on(handle.settled()).undos_run, 2);
        assert!(undone.is_seen());
        assert_eq!(seen.get(), 1, "the older undo overlaps the newer one");
    });
}

/// R26, I2: the owner registers an asynchronous undo while another thread closes.
#[test]
fn i2_close_vs_on_close_spawn() {
    model(|| {
        let order = Order::new();
        let mut setup = setup();
        let handle = setup.handle();
        setup.on_close(order.undo(1)).unwrap();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        _ = setup.on_close_spawn("slow", block_on, order.slow(2));
        closer.join().unwrap();
        assert_eq!(handle.try_settled(), None);
        drop(setup);
        order.check(&[&[2, 1]]);
        assert_eq!(settled(&handle).undos_run, 2);
    });
}

/// An undo that hangs is given up, whether it has been polled, sleeps, or has not begun; and
/// so is the next one. No wake-up is lost.
#[test]
fn forsake_vs_async_undos_that_hang() {
    model(|| {
        let order = Order::new();
        let mut setup = setup();
        let handle = setup.handle();
        setup.on_close(order.undo(1)).unwrap();
        setup
            .on_close_spawn("older", block_on, pending::<()>)
            .unwrap();
        setup
            .on_close_spawn("newer", block_on, pending::<()>)
            .unwrap();
        let forsaking = spawn({
            let handle = handle.clone();
            move || handle.abandon_undos()
        });
        drop(setup);
        forsaking.join().unwrap();
        assert_eq!(settled(&handle).abandoned, ["newer", "older"]);
        order.check(&[&[1]]);
    });
}

/// The undo ends while it is given up: it is over once, in the one way or the other.
#[test]
fn forsake_vs_async_undo_ends() {
    model(|| {
        let order = Order::new();
        let mut setup = setup();
        let handle = setup.handle();
        setup.on_close(order.undo(1)).unwrap();
        setup
            .on_close_spawn("slow", on_a_thread, order.slow(2))
            .unwrap();
        drop(setup);
        handle.abandon_undos();
        let settled = block_on(handle.settled());
        assert_eq!(settled.undos_run, 2);
        match &*settled.abandoned {
            [] => order.check(&[&[2, 1]]),
            // Given up before it began.
            _ => order.check(&[&[1]]),
        }
    });
}

/// The deadline of an undo that hangs passes while its task is polled and goes to sleep: no
/// wake-up is lost.
#[test]
fn abandon_vs_async_undo_that_hangs() {
    model(|| {
        let order = Order::new();
        let mut setup = with_undo_deadline();
        let (handle, scope) = (setup.handle(), setup.scope());
        setup.on_close(order.undo(1)).unwrap();
        setup
            .on_close_spawn("slow", on_a_thread, pending::<()>)
            .unwrap();
        drop(setup);
        sweep_until_overdue(&scope);
        assert_eq!(block_on(handle.settled()).abandoned, ["slow"]);
        order.check(&[&[1]]);
    });
}

/// The deadline of an undo passes while it ends.
#[test]
fn abandon_vs_async_undo_ends() {
    model(|| {
        let order = Order::new();
        let mut setup = with_undo_deadline();
        let (handle, scope) = (setup.handle(), setup.scope());
        setup.on_close(order.undo(1)).unwrap();
        setup
            .on_close_spawn("slow", on_a_thread, order.slow(2))
            .unwrap();
        drop(setup);
        sweep_until_overdue(&scope);
        assert_eq!(block_on(handle.settled()).undos_run, 2);
        order.check(&[&[2, 1], &[1]]);
    });
}

/// The deadline of an undo passes while it ends and the next one begins, whose deadline is
/// its own.
#[test]
fn abandon_vs_the_next_async_undo_begins() {
    model(|| {
        let (newer, older) = (Task::default(), Task::default());
        let mut setup = with_undo_deadline();
        let (handle, scope) = (setup.handle(), setup.scope());
        setup
            .on_close_spawn("older", older.keep(), pending::<()>)
            .unwrap();
        setup
            .on_close_spawn("newer", newer.keep(), || ready(()))
            .unwrap();
        drop(setup);
        let now = Instant::now();
        date(&scope, now);
        let running = spawn(move || block_on(newer.take().unwrap()));
        scope.sweep(now + LIMIT);
        running.join().unwrap();
        let mut older = older.take().unwrap();
        assert!(
            poll_once(older.as_mut(), Waker::noop()).is_pending(),
            "given up as it began"
        );
        date(&scope, now + LIMIT);
        scope.sweep(now + 2 * LIMIT);
        assert!(poll_once(older.as_mut(), Waker::noop()).is_ready());
        assert!(settled(&handle).abandoned.contains(&"older".to_owned()));
    });
}

/// An undo that ends on another thread, while whoever began it begins the next one, does not
/// take the deadline of that with it.
#[test]
fn the_deadline_of_the_next_async_undo_vs_the_end_of_the_last() {
    model(|| {
        let older = Task::default();
        let mut setup = with_undo_deadline();
        let (handle, scope) = (setup.handle(), setup.scope());
        setup
            .on_close_spawn("older", older.keep(), pending::<()>)
            .unwrap();
        let ended = Arc::new(Mutex::new(None));
        let running = Arc::clone(&ended);
        let run = move |task| *running.lock().unwrap() = Some(spawn(|| block_on(task)));
        setup.on_close_spawn("newer", run, || ready(())).unwrap();
        drop(setup);
        let running = ended.lock().unwrap().take().unwrap();
        running.join().unwrap();
        sweep_until_overdue(&scope);
        let mut older = older.take().unwrap();
        assert!(
            poll_once(older.as_mut(), Waker::noop()).is_ready(),
            "it has no deadline"
        );
        assert_eq!(settled(&handle).abandoned, ["older"]);
    });
}

/// I5, R9: a take-over waits for the asynchronous undo of its predecessor.
#[test]
fn i5_r9_take_over_vs_async_undo() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let undone = Fact::new();
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let fact = undone.clone();
        old.on_close_spawn("slow", on_a_thread, move || async move { fact.state() })
            .unwrap();
        let old = old.go_live().unwrap();

        let mut new = setup();
        block_on(new.take_over(&registry, 1, 2)).unwrap();
        assert!(undone.is_seen(), "the undo overlaps the successor's set-up");
        drop(old);
        assert_eq!(new.go_live().map(drop), Ok(()));
    });
}

/// I5, R9: and for that of one that somebody else has closed before.
#[test]
fn i5_r9_take_over_of_a_closed_one_vs_async_undo() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let undone = Fact::new();
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let fact = undone.clone();
        old.on_close_spawn("slow", on_a_thread, move || async move { fact.state() })
            .unwrap();
        drop(old);

        let mut new = setup();
        block_on(new.take_over(&registry, 1, 2)).unwrap();
        assert!(undone.is_seen(), "the undo overlaps the successor's set-up");
        assert_eq!(new.go_live().map(drop), Ok(()));
    });
}

/// R14: and so does a drain.
#[test]
fn r14_drained_vs_async_undo() {
    model(|| {
        let scope = Scope::new();
        let undone = Fact::new();
        let mut setup = scope.open().unwrap().register().unwrap();
        let fact = undone.clone();
        setup
            .on_close_spawn("slow", on_a_thread, move || async move { fact.state() })
            .unwrap();
        scope.begin_drain();
        drop(setup);
        block_on(scope.drained());
        assert!(undone.is_seen());
        assert_eq!(scope.stats().undos_run, 1);
    });
}

/// I7: nothing keeps the connection once it has settled: neither the task nor its waker.
#[test]
fn i7_async_undo_ends_vs_handles() {
    model(|| {
        let witness = Arc::new(());
        let mut setup = setup();
        let handle = setup.handle();
        let held = Arc::clone(&witness);
        setup
            .on_close_spawn("slow", on_a_thread, move || async move { drop(held) })
            .unwrap();
        drop(setup);
        block_on(handle.settled());
        assert_eq!(Arc::strong_count(&witness), 1, "something is left behind");
    });
}

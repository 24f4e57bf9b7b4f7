use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use hangup::report::Settled;
use hangup::report::Transition;
use hangup::{
    CloseReason, Conflict, Handle, KeyError, Observer, Phase, Registry, Scope, ScopeBuilder, State,
};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::log::Log;

struct Logs(Log);

impl Observer for Logs {
    fn on_open(&self, _: &Handle) {
        self.0.add("open");
    }

    fn on_transition(&self, _: &Handle, transition: &Transition) {
        let Transition { from, to, .. } = transition;
        match transition.reason() {
            None => self.0.add(format!("{from} to {to}")),
            Some(reason) => self.0.add(format!("{from} to {to}: {reason}")),
        }
    }

    fn on_rejected(&self, _: &Handle, refusal: &KeyError) {
        self.0.add(refusal.to_string());
    }

    fn on_settled(&self, _: &Handle, settled: &Settled) {
        self.0.add(format!("settled, {} undone", settled.undos_run));
    }
}

fn observed() -> (Scope, Log) {
    let log = Log::default();
    let scope = Scope::builder().observer(Logs(log.clone())).build();
    (scope, log)
}

#[test]
fn an_observer_is_told_of_every_transition_in_order() {
    let (scope, log) = observed();
    let pending = scope.open().unwrap();
    assert_eq!(log.entries(), ["open"]);
    let mut setup = pending.register().unwrap();
    setup.on_close(log.adds("undo")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    handle.close(CloseReason::Idle).unwrap();
    // What comes later is no transition.
    handle.close(CloseReason::Shutdown).unwrap_err();
    drop(live);
    assert_eq!(
        log.entries(),
        [
            "open",
            "pending to registering",
            "registering to live",
            "live to closed: idle",
            "undo",
            "settled, 1 undone",
        ]
    );
}

#[test]
fn an_observer_is_told_before_anyone_is_woken() {
    struct Wakes(Log);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.add("woken");
        }
    }
    let (scope, log) = observed();
    let pending = scope.open().unwrap();
    let waker = Waker::from(Arc::new(Wakes(log.clone())));
    let mut closed = Box::pin(pending.handle().closed());
    let mut cx = Context::from_waker(&waker);
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    drop(pending);
    assert_eq!(
        log.entries()[1..],
        ["pending to closed: dropped", "woken", "settled, 0 undone"]
    );
}

#[test]
fn an_observer_is_told_before_anything_is_undone_that_the_owner_brings_meanwhile() {
    let log = Log::default();
    let (closing, is_closing) = mpsc::channel();
    let (brought, is_brought) = mpsc::channel();
    let is_brought = Mutex::new(is_brought);
    let told = log.clone();
    let observer = move |_: &Handle, transition: &Transition| {
        if transition.reason().is_some() {
            closing.send(()).unwrap();
            is_brought.lock().unwrap().recv().unwrap();
            told.add("told");
        }
    };
    let scope = Scope::builder().observer(observer).build();
    let mut setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    let closer = thread::spawn(move || handle.close(CloseReason::Idle).unwrap());
    is_closing.recv().unwrap();
    setup.on_close(log.adds("undone")).unwrap_err();
    brought.send(()).unwrap();
    closer.join().unwrap();
    drop(setup);
    assert_eq!(log.entries(), ["told", "undone"]);
}

#[test]
fn an_observer_is_told_of_the_close_in_mid_step_and_of_the_undo_after_it() {
    let (scope, log) = observed();
    let mut setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(std::future::pending::<()>()));
    assert_pending!(step.poll());
    handle.close(CloseReason::App(1)).unwrap();
    assert_eq!(log.entries()[2..], ["registering to closed: app(1)"]);
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(setup);
    assert_eq!(log.entries()[3..], ["settled, 0 undone"]);
    assert_eq!(log.entries().len(), 4);
}

#[test]
fn an_observer_is_told_of_a_dropped_owner_and_of_who_it_was() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let scope = Scope::builder()
        .observer(move |_: &Handle, transition: &Transition| {
            telling.lock().unwrap().push(*transition);
        })
        .build();
    let pending = scope.open().unwrap();
    let id = pending.id();
    drop(pending);
    let told = told.lock().unwrap();
    let [closed] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((closed.id, closed.from), (id, Phase::Pending));
    assert!(closed.to.is_closed());
    assert_eq!(closed.reason(), Some(CloseReason::Dropped));
    assert_eq!(closed.lasted, None, "there is no clock");
}

/// A clock that is moved by hand.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn advance(&self, secs: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(secs);
    }

    fn given_to(&self, scope: ScopeBuilder) -> ScopeBuilder {
        let clock = self.clone();
        scope.clock(move || *clock.0.lock().unwrap())
    }
}

#[test]
fn with_a_clock_an_observer_is_told_how_long_each_phase_lasted() {
    let (clock, lasted) = (Clock::new(), Arc::new(Mutex::new(Vec::new())));
    let push = Arc::clone(&lasted);
    let builder = Scope::builder().observer(move |_: &Handle, transition: &Transition| {
        let secs = transition.lasted.unwrap().as_secs();
        push.lock().unwrap().push((transition.from, secs));
    });
    let scope = clock.given_to(builder).build();
    let pending = scope.open().unwrap();
    clock.advance(1);
    let setup = pending.register().unwrap();
    clock.advance(2);
    let live = setup.go_live().unwrap();
    clock.advance(3);
    live.handle().close(CloseReason::Idle).unwrap();
    clock.advance(4);
    drop(live);
    assert_eq!(
        *lasted.lock().unwrap(),
        [
            (Phase::Pending, 1),
            (Phase::Registering, 2),
            (Phase::Live, 3)
        ]
    );
}

#[test]
fn a_clock_that_goes_back_or_panics_breaks_nothing() {
    let (start, ticks) = (Instant::now(), Mutex::new(0));
    let lasted = Arc::new(Mutex::new(Vec::new()));
    let push = Arc::clone(&lasted);
    let scope = Scope::builder()
        .observer(move |_: &Handle, transition: &Transition| {
            push.lock().unwrap().push(transition.lasted);
        })
        .clock(move || {
            let mut ticks = ticks.lock().unwrap();
            *ticks += 1;
            let tick = *ticks;
            drop(ticks);
            match tick {
                1 => start + Duration::from_secs(5),
                2 => start,
                _ => panic!("the clock has stopped"),
            }
        })
        .build();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    drop(live);
    assert_eq!(*lasted.lock().unwrap(), [Some(Duration::ZERO), None, None]);
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
}

/// Then nobody knows how long the phase lasted that began at that time, either.
#[test]
fn a_clock_that_panics_once_is_missed_on_both_sides() {
    let (start, lasted) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let (push, ticks) = (Arc::clone(&lasted), AtomicU64::new(0));
    let scope = Scope::builder()
        .observer(move |_: &Handle, transition: &Transition| {
            push.lock().unwrap().push(transition.lasted);
        })
        .clock(move || {
            let tick = ticks.fetch_add(1, Ordering::Relaxed);
            assert!(tick != 1, "no time");
            start + Duration::from_secs(tick)
        })
        .build();
    let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
    drop(live);
    assert_eq!(
        *lasted.lock().unwrap(),
        [None, None, Some(Duration::from_secs(1))]
    );
}

#[test]
fn a_shared_observer_is_an_observer() {
    let logs = Arc::new(Logs(Log::default()));
    let scope = Scope::builder().observer(Arc::clone(&logs)).build();
    drop(scope.open().unwrap());
    let entries = ["open", "pending to closed: dropped", "settled, 0 undone"];
    assert_eq!(logs.0.entries(), entries);
}

/// Without an observer nobody wants to know the time.
#[test]
fn a_clock_without_an_observer_is_never_asked() {
    let scope = Scope::builder().clock(|| panic!("asked")).build();
    drop(scope.open().unwrap().register().unwrap().go_live().unwrap());
}

#[test]
fn an_observer_that_panics_costs_nobody_anything() {
    let log = Log::default();
    let told = log.clone();
    let scope = Scope::builder()
        .observer(move |_: &Handle, transition: &Transition| {
            told.add(transition.to.to_string());
            panic!("observer");
        })
        .build();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    // Also when it is told during a panic.
    catch_unwind(AssertUnwindSafe(|| {
        let _live = live;
        panic!("handler");
    }))
    .unwrap_err();
    assert_eq!(log.entries(), ["registering", "live", "closed", "undone"]);
    let settled = assert_ready!(task::spawn(handle.settled()).poll());
    assert_eq!((settled.undos_run, settled.panics.len()), (1, 0));
}

#[test]
fn a_phase_is_the_state_that_has_not_ended() {
    assert_eq!(State::Pending.phase(), Some(Phase::Pending));
    assert_eq!(State::Registering.phase(), Some(Phase::Registering));
    assert_eq!(State::Live.phase(), Some(Phase::Live));
    let closed = State::Live.apply(hangup::state::Event::Close(CloseReason::Idle));
    assert_eq!(closed.unwrap().phase(), None);
}

/// I8: the clock is the application's.
#[test]
fn a_clock_runs_under_no_lock_whatever_closes() {
    let kept = Arc::new(Mutex::new(None::<Handle>));
    let (ended, wait) = mpsc::channel();
    let seen = Arc::clone(&kept);
    let closing = thread::spawn(move || {
        let scope = Scope::builder()
            .observer(|_: &Handle, _: &Transition| ())
            .clock(move || {
                if let Some(handle) = seen.lock().unwrap().clone() {
                    // It takes the locks of the connection.
                    _ = (handle.waits_for(), handle.so_far());
                }
                Instant::now()
            })
            .build();
        let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
        *kept.lock().unwrap() = Some(live.handle());
        live.handle()
            .close_with(CloseReason::Idle, "quiet")
            .unwrap();
        // The clock keeps the handle, which keeps the scope, which keeps the clock.
        kept.lock().unwrap().take();
        ended.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20))
        .expect("a deadlock");
    closing.join().unwrap();
}

#[test]
fn an_observer_is_told_of_refused_places_in_their_order() {
    let (scope, log) = observed();
    let registry = Registry::<&str, ()>::new(Conflict::Reject);
    let mut first = scope.open().unwrap().register().unwrap();
    first.join(&registry, "ada", ()).unwrap();
    let mut second = scope.open().unwrap().register().unwrap();
    assert_eq!(log.entries().len(), 4);
    assert_eq!(second.join(&registry, "ada", ()), Err(KeyError::Taken));
    let taking = second.take_over(&registry, "ada", ());
    let timed_out = task::spawn(taking.deadline(std::future::ready(()))).poll();
    assert_eq!(assert_ready!(timed_out), Err(KeyError::TimedOut));
    // No refusal by a registry.
    first.join(&registry, "ada", ()).unwrap_err();
    drop(second);
    assert_eq!(
        log.entries()[4..],
        [
            "the key is taken",
            "registering to closed: superseded",
            "the predecessor has not settled in time",
            "registering to closed: rejected",
            "settled, 0 undone",
        ]
    );
}

/// A handle comes with each event, and does what handles do.
#[test]
fn an_observer_closes_the_connection_that_it_is_told_of() {
    struct Closing(Mutex<Vec<Handle>>);

    impl Observer for Closing {
        fn on_open(&self, connection: &Handle) {
            self.0.lock().unwrap().push(connection.clone());
        }

        fn on_transition(&self, connection: &Handle, transition: &Transition) {
            assert_eq!(connection.id(), transition.id);
            _ = connection.close(CloseReason::App(9));
        }

        fn on_settled(&self, connection: &Handle, settled: &Settled) {
            assert_eq!(settled.closed.reason, CloseReason::App(9));
            self.0.lock().unwrap().push(connection.clone());
        }
    }

    let closing = Arc::new(Closing(Mutex::default()));
    let scope = Scope::builder().observer(Arc::clone(&closing)).build();
    let pending = scope.open().unwrap();
    let handle = pending.handle();
    let setup = pending.register().unwrap();
    assert_eq!(handle.end().unwrap().reason(), CloseReason::App(9));
    drop(setup);
    // Taken out, since the observer keeps the handles, which keep the scope and its observer.
    let told = std::mem::take(&mut *closing.0.lock().unwrap());
    assert_eq!(told, [handle.clone(), handle]);
}

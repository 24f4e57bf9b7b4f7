//! Deadlines, by sweeps at times of the test's own making.

use std::time::Duration;

use futures::{StreamExt, stream};
use hangup::{CloseReason, Deadlines, Handle, Phase};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::timed::Timed;

const LIMIT: Duration = Duration::from_secs(10);
const JUST_UNDER: Duration = Duration::from_millis(9_999);

fn closed(handle: &Handle) -> Option<(CloseReason, Phase)> {
    let closed = handle.state().closed()?;
    Some((closed.reason, closed.from))
}

#[test]
fn a_set_up_that_takes_too_long_expires_in_either_phase() {
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT));
    let pending = timed.open();
    let setup = timed.open().register().unwrap();
    let live = timed.open().register().unwrap().go_live().unwrap();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    assert_eq!(timed.after(Duration::from_millis(1)), 2);
    let expired = |phase| Some((CloseReason::Expired, phase));
    assert_eq!(closed(&pending.handle()), expired(Phase::Pending));
    assert_eq!(closed(&setup.handle()), expired(Phase::Registering));
    assert_eq!(closed(&live.handle()), None);
    assert_eq!(timed.after(LIMIT * 100), 0);
}

#[test]
fn a_connection_expires_at_its_maximum_age_in_every_phase() {
    let mut timed = Timed::new(Deadlines::new().max_age(LIMIT));
    let setup = timed.open().register().unwrap();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    // Going live does not make it younger.
    let live = setup.go_live().unwrap();
    assert_eq!(timed.after(Duration::from_millis(1)), 1);
    assert_eq!(
        closed(&live.handle()),
        Some((CloseReason::Expired, Phase::Live))
    );
}

#[test]
fn those_who_came_together_expire_apart_if_there_is_jitter() {
    const CONNECTIONS: usize = 1000;
    let deadlines = Deadlines::new().max_age(LIMIT).jitter(LIMIT);
    let mut timed = Timed::new(deadlines);
    let opened: Vec<_> = (0..CONNECTIONS).map(|_| timed.open()).collect();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    let mut expired = 0;
    for _ in 0..10 {
        let more = timed.after(LIMIT / 10);
        assert!((50..200).contains(&more), "{more}");
        expired += more;
    }
    assert_eq!(expired + timed.after(Duration::from_millis(1)), CONNECTIONS);
    drop(opened);
}

#[test]
fn only_a_touch_keeps_a_live_connection_from_being_idle() {
    let mut timed = Timed::new(Deadlines::new().idle(LIMIT));
    let setup = timed.open().register().unwrap();
    timed.date();
    // Not while it is set up, however long that takes.
    assert_eq!(timed.after(LIMIT * 2), 0);
    let live = setup.go_live().unwrap();
    let handle = live.handle();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    live.touch();
    timed.date();
    let mut body = task::spawn(live.stream(stream::repeat(1)));
    for _ in 0..3 {
        assert_eq!(timed.after(JUST_UNDER), 0);
        handle.touch();
        timed.date();
    }
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_eq!(timed.after(LIMIT), 1);
    assert_eq!(closed(&handle), Some((CloseReason::Idle, Phase::Live)));
    // Too late, and no harm.
    handle.touch();
    assert_eq!(timed.after(LIMIT), 0);
}

#[test]
fn a_connection_can_have_deadlines_of_its_own() {
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT));
    let patient = timed.scope.open_with(|_| Deadlines::new().setup(LIMIT * 3));
    let free = timed.scope.open_with(|_| Deadlines::new());
    let usual = timed.open();
    timed.date();
    assert_eq!(timed.after(LIMIT), 1);
    assert!(usual.handle().state().is_closed());
    assert_eq!(timed.after(LIMIT * 2), 1);
    assert!(patient.unwrap().handle().state().is_closed());
    assert_eq!(timed.after(LIMIT * 100), 0);
    assert!(!free.unwrap().handle().state().is_closed());

    let mut unlimited = Timed::new(Deadlines::new());
    let own = unlimited.scope.open_with(|it| it.setup(LIMIT));
    unlimited.date();
    assert_eq!(unlimited.after(LIMIT), 1);
    drop(own);
}

#[test]
fn deadlines_of_nothing_and_of_for_ever_are_kept_too() {
    let mut timed = Timed::new(Deadlines::new().setup(Duration::ZERO));
    let pending = timed.open();
    timed.date();
    assert_eq!(timed.after(Duration::from_nanos(1)), 1);
    drop(pending);

    let for_ever = Deadlines::new()
        .setup(Duration::MAX)
        .max_age(Duration::MAX)
        .jitter(Duration::MAX)
        .idle(Duration::MAX)
        .stall(Duration::MAX)
        .undo(Duration::MAX);
    let mut timed = Timed::new(for_ever);
    let live = timed.open().register().unwrap().go_live().unwrap();
    let _body = live.stream(stream::pending::<u8>());
    timed.date();
    assert_eq!(timed.after(Duration::from_secs(1 << 40)), 0);
}

/// Two sweeps may come in the wrong order.
#[test]
fn a_time_that_goes_back_makes_nothing_older() {
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT));
    let first = timed.now;
    let pending = timed.open();
    timed.date();
    assert_eq!(timed.scope.sweep(first), 0);
    assert_eq!(timed.after(JUST_UNDER), 0);
    assert!(!pending.handle().state().is_closed());
    assert_eq!(timed.after(Duration::from_millis(1)), 1);
}

/// A step is in flight: it is stopped first, where it is polled.
#[test]
fn a_set_up_that_expires_in_a_step_stops_the_step_before_the_undo() {
    let log = Log::default();
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT));
    let mut setup = timed.open().register().unwrap();
    let handle = setup.handle();
    setup.on_close(log.adds("undone")).unwrap();
    let guard = log.on_drop("step stopped");
    let mut step = task::spawn(setup.run(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    }));
    assert_pending!(step.poll());
    timed.date();
    assert_eq!(timed.after(LIMIT), 1);
    assert!(step.is_woken());
    assert!(log.entries().is_empty());
    let closed = assert_ready!(step.poll()).unwrap_err();
    assert_eq!(closed.reason, CloseReason::Expired);
    assert_eq!(log.entries(), ["step stopped"]);
    drop(step);
    drop(setup);
    assert_eq!(log.entries(), ["step stopped", "undone"]);
    assert!(handle.try_settled().is_some());
}

/// What a sweep closes may sweep, open and close itself (I8). The sweep that is under way
/// does all there is to do, and the one within does nothing.
#[test]
fn an_undo_may_sweep() {
    let mut timed = Timed::new(Deadlines::new().max_age(LIMIT));
    let log = Log::default();
    let setups: Vec<_> = (0..100)
        .map(|_| {
            let mut setup = timed.open().register().unwrap();
            let (scope, now, log) = (timed.scope.clone(), timed.now, log.clone());
            setup
                .on_close(move || {
                    let late = now + LIMIT * 100;
                    log.add(scope.sweep(late).to_string());
                    drop(scope.open());
                })
                .unwrap();
            setup.go_live().unwrap()
        })
        .collect();
    timed.date();
    assert_eq!(timed.after(LIMIT), 100);
    assert_eq!(log.entries(), ["0"; 100]);
    drop(setups);
}

#[test]
fn a_stream_that_was_never_polled_is_stalled() {
    let mut timed = Timed::new(Deadlines::new().stall(LIMIT));
    let live = timed.open().register().unwrap().go_live().unwrap();
    timed.date();
    // A live connection without a stream has no reader yet.
    assert_eq!(timed.after(LIMIT), 0);
    let body = live.stream(stream::pending::<u8>()).boxed();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    assert_eq!(timed.after(Duration::from_millis(1)), 1);
    drop(body);
}

#[test]
fn a_loop_of_ones_own_has_no_reader() {
    let mut timed = Timed::new(Deadlines::new().stall(LIMIT));
    let live = timed.open().register().unwrap().go_live().unwrap();
    let mut run = task::spawn(live.run(std::future::pending::<()>()));
    assert_pending!(run.poll());
    timed.date();
    assert_eq!(timed.after(LIMIT * 100), 0);
}

/// Two deadlines that count from the same instant do not hurry each other.
#[test]
fn a_set_up_deadline_beside_a_maximum_age_does_not_pass_early() {
    let deadlines = Deadlines::new().setup(LIMIT).max_age(LIMIT * 100);
    let mut timed = Timed::new(deadlines);
    let pending = timed.open();
    timed.date();
    assert_eq!(timed.after(JUST_UNDER), 0);
    assert_eq!(timed.after(Duration::from_millis(1)), 1);
    drop(pending);
}

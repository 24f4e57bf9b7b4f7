//! What counts as time, and deadlines that move.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use hangup::{CloseReason, Deadlines, Handle, Scope};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::spawn_with::OnCloseSpawn;
use crate::support::timed::Timed;

const PERIOD: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

fn swept_every_second(deadlines: Deadlines) -> Timed {
    Timed::of(
        Scope::builder()
            .deadlines(deadlines)
            .swept_by_hand()
            .sweep_every(PERIOD),
    )
}

fn reason(handle: &Handle) -> Option<CloseReason> {
    handle.state().closed().map(|closed| closed.reason)
}

/// Sweeps once per period, and touches before every other sweep.
fn run_for(timed: &mut Timed, seconds: usize, touched: &Handle) -> usize {
    (0..seconds)
        .map(|second| {
            if second % 2 == 0 {
                touched.touch();
            }
            timed.after(PERIOD)
        })
        .sum()
}

#[test]
fn r30_the_server_stood_still_and_no_healthy_peer_is_idle() {
    let mut timed = swept_every_second(Deadlines::new().idle(LIMIT));
    let peers: Vec<_> = (0..100)
        .map(|_| timed.open().register().unwrap().go_live().unwrap())
        .collect();
    for _ in 0..20 {
        peers.iter().for_each(hangup::Live::touch);
        assert_eq!(timed.after(PERIOD), 0);
        assert_eq!(timed.after(PERIOD), 0);
    }
    assert_eq!(timed.after(LIMIT * 1000), 0);
    assert_eq!(timed.after(PERIOD), 0);
    // Those that are silent afterwards are idle, and not much later than usual.
    let later: usize = (0..LIMIT.as_secs() + 3).map(|_| timed.after(PERIOD)).sum();
    assert_eq!(later, 100);
}

/// The same for a set-up, a reader and an undo, which could not go on.
#[test]
fn r30_the_server_stood_still_and_nothing_that_waited_for_it_is_late() {
    let limits = Deadlines::new().setup(LIMIT).stall(LIMIT).quiet(LIMIT);
    let mut timed = swept_every_second(limits);
    let setup = timed.open().register().unwrap();
    let live = timed.open().register().unwrap().go_live().unwrap();
    let handles = [setup.handle(), live.handle()];
    let body = live.stream(stream::pending::<u8>());
    assert_eq!(run_for(&mut timed, 5, &handles[1]), 0);
    assert_eq!(timed.after(LIMIT * 1000), 0);
    assert_eq!(run_for(&mut timed, 3, &handles[1]), 0);
    assert_eq!(run_for(&mut timed, 5, &handles[1]), 2);
    drop((setup, body));
}

/// A token expires whether or not the server runs.
#[test]
fn a_maximum_age_and_an_instant_are_in_real_time() {
    let mut timed = swept_every_second(Deadlines::new().max_age(LIMIT));
    let expires = timed.now + LIMIT / 2;
    let aging = timed.open();
    let with_token = timed.scope.open_with(|it| it.expires_at(expires)).unwrap();
    assert_eq!(timed.after(Duration::ZERO) + timed.after(Duration::ZERO), 0);
    assert_eq!(timed.after(LIMIT / 2), 1);
    assert_eq!(reason(&with_token.handle()), Some(CloseReason::Expired));
    assert_eq!(timed.after(LIMIT / 2), 1);
    assert_eq!(reason(&aging.handle()), Some(CloseReason::Expired));
}

#[test]
fn without_a_period_the_time_between_two_sweeps_is_what_it_is() {
    let mut timed = Timed::new(Deadlines::new().idle(LIMIT));
    let live = timed.open().register().unwrap().go_live().unwrap();
    timed.date();
    assert_eq!(timed.after(LIMIT), 1);
    drop(live);
}

#[test]
fn a_connection_of_its_own_deadlines_keeps_the_others_of_the_scope() {
    let of_scope = Deadlines::new().idle(LIMIT);
    let mut timed = Timed::new(of_scope);
    assert_eq!(timed.scope.deadlines(), of_scope);
    let opened = timed.scope.open_with(|it| it.max_age(LIMIT * 100));
    let live = opened.unwrap().register().unwrap().go_live().unwrap();
    timed.date();
    assert_eq!(timed.after(LIMIT), 1);
    assert_eq!(reason(&live.handle()), Some(CloseReason::Idle));
}

#[test]
fn a_token_that_is_renewed_moves_the_end() {
    let mut timed = Timed::new(Deadlines::new().idle(LIMIT * 100));
    let (now, scope) = (timed.now, timed.scope.clone());
    let opened = scope.open_with(|it| it.expires_at(now + LIMIT)).unwrap();
    let handle = opened.handle();
    assert_eq!(timed.after(LIMIT - Duration::from_nanos(1)), 0);
    assert!(handle.expire_at(now + LIMIT * 3));
    assert_eq!(timed.after(LIMIT), 0);
    // Earlier again: it was revoked.
    assert!(handle.expire_at(now));
    assert_eq!(timed.after(Duration::ZERO), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Expired));

    // One that was opened with other deadlines can be given an end later.
    let aging = timed.open();
    assert!(aging.handle().expire_at(timed.now + LIMIT));
    assert_eq!(timed.after(LIMIT), 1);
    // One without any has no timers.
    let free = scope.open_with(|_| Deadlines::new()).unwrap();
    assert!(!free.handle().expire_at(timed.now));
    assert_eq!(timed.after(LIMIT), 0);
}

#[test]
fn an_instant_in_the_past_closes_at_the_first_sweep() {
    let scope = Scope::builder().swept_by_hand().build();
    let now = std::time::Instant::now();
    let opened = scope.open_with(|it| it.expires_at(now)).unwrap();
    let later = scope.open_with(|it| it.expires_at(now + LIMIT)).unwrap();
    assert_eq!(scope.sweep(now), 1);
    assert_eq!(reason(&opened.handle()), Some(CloseReason::Expired));
    assert_eq!(scope.sweep(now + LIMIT), 1);
    drop(later);
}

#[test]
fn what_hangs_after_its_close_is_found() {
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT * 100));
    let hanging = |timed: &Timed| {
        let mut setup = timed.open().register().unwrap();
        setup
            .on_close_spawn("hang", std::mem::forget, || std::future::ready(()))
            .unwrap();
        let handle = setup.handle();
        drop(setup);
        assert_eq!(handle.try_settled(), None);
        handle
    };
    // It is as old as its close, not as its opening.
    let open = timed.open();
    timed.date();
    assert_eq!(timed.after(LIMIT), 0);
    let first = hanging(&timed);
    drop(timed.open());
    timed.date();
    let second = hanging(&timed);
    assert_eq!(timed.after(LIMIT), 0);
    assert_eq!(
        timed.scope.unsettled_for(LIMIT),
        std::slice::from_ref(&first)
    );
    assert_eq!(timed.scope.unsettled_for(LIMIT * 2), []);
    assert_eq!(timed.after(Duration::ZERO), 0);
    assert_eq!(timed.after(LIMIT), 0);
    assert_eq!(timed.scope.unsettled_for(LIMIT), [first, second]);
    assert_eq!(timed.scope.handles().len(), 3);
    drop(open);
}

/// A sweep goes through them in portions. Those that leave meanwhile let others move to where
/// it has not been yet; it must not date these twice, or their deadlines would pass early.
#[test]
fn a_sweep_that_lets_others_leave_dates_none_too_early() {
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT * 100));
    let open = |timed: &Timed| timed.scope.open_with(|it| it.max_age(LIMIT)).unwrap();
    let leaving: Vec<_> = (0..20_000).map(|_| timed.open()).collect();
    let leaving = Arc::new(Mutex::new(leaving));
    let expiring: Vec<_> = (0..2_000)
        .map(|_| {
            let (mut setup, leaving) = (open(&timed).register().unwrap(), Arc::clone(&leaving));
            setup
                .on_close(move || {
                    for _ in 0..10 {
                        let left = leaving.lock().unwrap().pop();
                        drop(left);
                    }
                })
                .unwrap();
            setup.go_live().unwrap()
        })
        .collect();
    timed.date();
    let newer: Vec<_> = (0..20_000).map(|_| open(&timed)).collect();
    assert_eq!(timed.after(LIMIT), expiring.len());
    assert!(leaving.lock().unwrap().is_empty());
    assert_eq!(timed.after(LIMIT), 0, "dated twice");
    assert_eq!(timed.after(LIMIT), newer.len());
}

/// A touch is no item, and an item is no touch.
#[test]
fn a_stream_that_yields_nothing_is_quiet() {
    let mut timed = Timed::new(Deadlines::new().quiet(LIMIT));
    let without_stream = timed.open().register().unwrap().go_live().unwrap();
    let live = timed.open().register().unwrap().go_live().unwrap();
    let handle = live.handle();
    timed.date();
    assert_eq!(timed.after(LIMIT), 0);
    let (items, source) = futures::channel::mpsc::unbounded();
    let mut body = task::spawn(live.stream(source));
    for item in 0..3 {
        items.unbounded_send(item).unwrap();
        assert_ready_eq!(body.poll_next(), Some(item));
        assert_pending!(body.poll_next());
        timed.date();
        assert_eq!(timed.after(LIMIT - Duration::from_nanos(1)), 0);
    }
    handle.touch();
    assert_eq!(timed.after(Duration::from_nanos(1)), 1);
    assert_eq!(reason(&handle), Some(CloseReason::Idle));
    assert_eq!(reason(&without_stream.handle()), None);
}

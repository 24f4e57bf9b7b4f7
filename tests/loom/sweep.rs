//! Deadlines meet what keeps them.

use std::time::{Duration, Instant};

use hangup::{CloseReason, Closed, Deadlines, Phase, Registering, Scope};
use loom::thread::spawn;

use crate::model::{Count, Signal, date, model, model_3, settled};

const LIMIT: Duration = Duration::from_secs(10);

fn registering(deadlines: Deadlines) -> (Scope, Registering) {
    let scope = Scope::builder()
        .deadlines(deadlines)
        .swept_by_hand()
        .build();
    let setup = scope.open().unwrap().register().unwrap();
    (scope, setup)
}

/// Who knows that it was touched does not find it idle; and it is idle in the end.
#[test]
fn sweep_vs_touch() {
    model(|| {
        let (scope, setup) = registering(Deadlines::new().idle(LIMIT));
        let live = setup.go_live().unwrap();
        let touched = Signal::new();
        let now = Instant::now();
        date(&scope, now);
        let toucher = spawn({
            let (handle, touched) = (live.handle(), touched.clone());
            move || {
                handle.touch();
                touched.send();
            }
        });
        let told = touched.is_sent();
        let closed = scope.sweep(now + LIMIT);
        assert!(!told || closed == 0, "idle too early");
        toucher.join().unwrap();
        if closed == 0 {
            date(&scope, now + LIMIT);
            assert_eq!(scope.sweep(now + 2 * LIMIT), 1, "never idle");
        }
        assert_eq!(settled(&live.handle()).closed.reason, CloseReason::Idle);
    });
}

/// Two touch while it is swept.
#[test]
fn sweep_vs_two_touches_3() {
    model_3(3, || {
        let (scope, setup) = registering(Deadlines::new().idle(LIMIT));
        let live = setup.go_live().unwrap();
        let now = Instant::now();
        date(&scope, now);
        let touchers = [(); 2].map(|()| {
            let handle = live.handle();
            spawn(move || handle.touch())
        });
        let closed = scope.sweep(now + LIMIT);
        for toucher in touchers {
            toucher.join().unwrap();
        }
        if closed == 0 {
            date(&scope, now + 2 * LIMIT - Duration::from_nanos(1));
            let late = scope.sweep(now + 3 * LIMIT - Duration::from_nanos(1));
            assert_eq!(late, 1, "never idle");
        }
        drop(live);
    });
}

/// Who knows that it went live does not find it late; the idle time counts from there.
#[test]
fn sweep_vs_go_live() {
    model(|| {
        let (scope, setup) = registering(Deadlines::new().setup(LIMIT).idle(LIMIT));
        let handle = setup.handle();
        let went_live = Signal::new();
        let now = Instant::now();
        date(&scope, now);
        let owner = spawn({
            let went_live = went_live.clone();
            move || {
                let live = setup.go_live();
                went_live.send();
                live
            }
        });
        let told = went_live.is_sent();
        let closed = scope.sweep(now + LIMIT);
        assert!(!told || closed == 0, "late though it was live");
        let live = owner.join().unwrap();
        if closed == 1 {
            // It was late when it was looked at, whatever it did then.
            let from = match &live {
                Ok(_) => Phase::Live,
                Err(_) => Phase::Registering,
            };
            let reason = CloseReason::Expired;
            assert_eq!(settled(&handle).closed, Closed { reason, from });
        } else {
            date(&scope, now + 2 * LIMIT - Duration::from_nanos(1));
            assert_eq!(scope.sweep(now + 3 * LIMIT), 1);
            assert_eq!(settled(&handle).closed.reason, CloseReason::Idle);
        }
        drop(live);
    });
}

/// I1: one of them closes, and it is undone once.
#[test]
fn i1_sweep_vs_close() {
    model(|| {
        let (scope, mut setup) = registering(Deadlines::new().max_age(LIMIT));
        let undone = Count::default();
        let count = undone.clone();
        setup.on_close(move || count.add()).unwrap();
        let handle = setup.handle();
        let now = Instant::now();
        date(&scope, now);
        let closer = spawn({
            let handle = handle.clone();
            move || usize::from(handle.close(CloseReason::Aborted).is_ok())
        });
        let swept = scope.sweep(now + LIMIT);
        assert_eq!(swept + closer.join().unwrap(), 1);
        drop(setup);
        let reason = match swept {
            0 => CloseReason::Aborted,
            _ => CloseReason::Expired,
        };
        assert_eq!(settled(&handle).closed.reason, reason);
        assert_eq!(undone.get(), 1);
    });
}

/// I7: what settles meanwhile is not kept, nor missed.
#[test]
fn i7_sweep_vs_settle() {
    model(|| {
        let (scope, setup) = registering(Deadlines::new().max_age(LIMIT));
        let other = scope.open().unwrap();
        let next = scope.open().unwrap();
        let now = Instant::now();
        date(&scope, now);
        let owner = spawn(move || drop(setup));
        let swept = scope.sweep(now + LIMIT);
        owner.join().unwrap();
        assert!((2..=3).contains(&swept));
        assert!(scope.handles().is_empty());
        let stats = scope.stats();
        assert_eq!(stats.closed_as(CloseReason::Expired), swept as u64);
        assert_eq!(stats.closed.values().sum::<u64>(), 3);
        drop((other, next));
    });
}

/// Two sweeps at once, as of a scope that sweeps itself and is swept by hand.
#[test]
fn i1_sweep_vs_sweep() {
    model(|| {
        let (scope, setup) = registering(Deadlines::new().max_age(LIMIT));
        let now = Instant::now();
        date(&scope, now);
        let other = spawn({
            let scope = scope.clone();
            move || scope.sweep(now + LIMIT)
        });
        let mine = scope.sweep(now + LIMIT);
        assert_eq!(mine + other.join().unwrap(), 1);
        let handle = setup.handle();
        drop(setup);
        settled(&handle);
    });
}

/// What is opened meanwhile is not closed by a sweep that did not date it before.
#[test]
fn sweep_vs_open() {
    model(|| {
        let scope = Scope::builder()
            .deadlines(Deadlines::new().max_age(LIMIT))
            .swept_by_hand()
            .build();
        let now = Instant::now();
        date(&scope, now);
        let opener = spawn({
            let scope = scope.clone();
            move || scope.open().unwrap()
        });
        assert_eq!(scope.sweep(now + 9 * LIMIT), 0);
        let pending = opener.join().unwrap();
        date(&scope, now + 10 * LIMIT - Duration::from_nanos(1));
        assert_eq!(scope.sweep(now + 11 * LIMIT), 1);
        drop(pending);
    });
}

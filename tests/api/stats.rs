//! What a scope counts, beside the states.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hangup::report::{DrainEvent, Transition};
use hangup::{CloseReason, Handle, Observer, OpenError, Scope};

#[test]
fn a_refused_open_is_counted_by_why() {
    let scope = Scope::builder().max_connections(1).build();
    let pending = scope.open().unwrap();
    for _ in 0..3 {
        assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    }
    scope.begin_drain();
    for _ in 0..2 {
        assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    }
    let stats = scope.stats();
    assert_eq!((stats.refused_full, stats.refused_draining), (3, 2));
    drop(pending);
}

#[test]
fn the_counts_do_not_grow_with_the_codes_of_the_application() {
    const CODES: u16 = 2_000;
    let scope = Scope::new();
    for code in 0..CODES {
        for _ in 0..2 {
            let pending = scope.open().unwrap();
            pending.close(CloseReason::App(code)).unwrap();
        }
    }
    let stats = scope.stats();
    assert_eq!(stats.closed.len(), 256);
    assert!(stats.closed.values().all(|count| *count == 2));
    assert_eq!(stats.closed_as(CloseReason::App(0)), 2);
    assert_eq!(stats.closed_as(CloseReason::App(CODES - 1)), 0);
    assert_eq!(stats.closed_other, 2 * (u64::from(CODES) - 256));
    // The reasons of the crate are counted one by one all the same.
    drop(scope.open());
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
}

/// More than fit into a portion, in each shard, and they settle while they are counted.
#[test]
fn those_that_settle_during_a_count_are_counted_once() {
    let scope = Scope::new();
    let mut opened: Vec<_> = (0..60_000).map(|_| scope.open().unwrap()).collect();
    let all = opened.len() as u64;
    // Neither the newest nor the oldest first.
    opened.rotate_left(20_000);
    let ended = AtomicBool::new(false);
    thread::scope(|threads| {
        let counting = [(); 2].map(|()| {
            threads.spawn(|| {
                let mut counts = 0;
                while !ended.load(Ordering::Relaxed) {
                    let stats = scope.stats();
                    let open = (stats.open() + stats.settling) as u64;
                    assert_eq!(open + stats.closed_as(CloseReason::Dropped), all);
                    counts += 1;
                }
                counts
            })
        });
        opened.drain(..).for_each(drop);
        ended.store(true, Ordering::Relaxed);
        let counts = counting.map(|it| it.join().unwrap());
        assert!(counts.iter().sum::<usize>() > 0);
    });
    assert_eq!(scope.stats().closed_as(CloseReason::Dropped), all);
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn on_transition(&self, _: &Handle, _: &Transition) {}

    fn on_refused(&self, refused: OpenError) {
        self.0.lock().unwrap().push(refused.to_string());
    }

    fn on_drain(&self, event: &DrainEvent) {
        self.0.lock().unwrap().push(format!("{event:?}"));
        assert!(!matches!(event, DrainEvent::Begun), "contained");
    }
}

#[test]
fn an_observer_is_told_of_refusals() {
    let told = Arc::new(Told::default());
    let server = Scope::builder().observer(Arc::clone(&told));
    let server = server.max_connections(0).build();
    assert_eq!(server.open().unwrap_err(), OpenError::Full);
    assert_eq!(server.child().build().open().unwrap_err(), OpenError::Full);
    assert_eq!(told.take(), ["the server is full"; 2]);
    server.begin_drain();
    server.begin_drain();
    assert_eq!(server.open().unwrap_err(), OpenError::Draining);
    assert_eq!(told.take(), ["Begun", "the server is draining"]);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_the_points_of_a_drain() {
    use std::time::Duration;

    let told = Arc::new(Told::default());
    let scope = Scope::builder().observer(Arc::clone(&told)).build();
    let lives: Vec<_> = (0..3)
        .map(|_| scope.open().unwrap().register().unwrap().go_live().unwrap())
        .collect();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("hang", std::future::pending).unwrap();
    let setup = setup.go_live().unwrap();
    let drain = scope.drain(Duration::from_secs(1)).batch_size(3);
    drain.await.unwrap();
    assert_eq!(
        told.take(),
        [
            "Begun",
            "Batch { closed: 3 }",
            "Batch { closed: 1 }",
            "Forced { left: 1 }",
            "Done { closed: 3, forced: 1, unsettled: 0 }",
        ]
    );
    drop((lives, setup));
}

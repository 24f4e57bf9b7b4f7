//! Ticks for loops.

use std::time::Duration;

use hangup::runtime::NoRuntime;
use hangup::{CloseReason, Deadlines, Scope};
use tokio::time::{Instant, sleep};

const PERIOD: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_loop_speaks_at_a_fixed_cadence_and_is_idle_if_the_peer_does_not_answer() {
    let idle = Deadlines::new().idle(2 * PERIOD + PERIOD / 2);
    let scope = Scope::builder().deadlines(idle).build();
    let live = scope.live().unwrap();
    let (handle, mut pings) = (live.handle(), live.interval(PERIOD).unwrap());
    let (begun, mut ticks) = (Instant::now(), Vec::new());
    let talk = async {
        loop {
            pings.tick().await;
            ticks.push(begun.elapsed().as_secs());
            // The peer answers four of them.
            if ticks.len() <= 4 {
                handle.touch();
            }
        }
    };
    let closing = live.run::<_>(talk).await.map(|(): ()| ()).unwrap_err();
    assert_eq!(closing.reason(), CloseReason::Idle);
    drop(closing);
    assert_eq!(ticks, [30, 60, 90, 120, 150, 180]);
}

#[tokio::test(start_paused = true)]
async fn one_tick_stands_for_all_that_were_missed() {
    let live = Scope::new().live().unwrap();
    let mut ticks = live.interval(PERIOD).unwrap();
    sleep(10 * PERIOD).await;
    let begun = Instant::now();
    ticks.tick().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    ticks.tick().await;
    // The timers of this runtime are as fine as a millisecond.
    assert!(begun.elapsed() - PERIOD <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_was_dropped_is_not_lost() {
    let live = Scope::new().live().unwrap();
    let mut ticks = live.interval(PERIOD).unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        tokio::select! {
            biased;
            () = ticks.tick() => panic!("too early"),
            () = sleep(PERIOD / 4) => {}
        }
    }
    ticks.tick().await;
    assert!(begun.elapsed() - PERIOD <= Duration::from_millis(1));
}

/// It would tick as fast as it is polled.
#[tokio::test(start_paused = true)]
async fn a_period_of_zero_is_a_millisecond() {
    let live = Scope::new().live().unwrap();
    let mut ticks = live.interval(Duration::ZERO).unwrap();
    let begun = Instant::now();
    for _ in 0..10 {
        ticks.tick().await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(10));
}

#[test]
fn without_a_runtime_there_are_no_ticks() {
    let live = Scope::new().live().unwrap();
    assert_eq!(live.interval(PERIOD).unwrap_err(), NoRuntime);
}

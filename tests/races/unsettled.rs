//! Closed, and not settled: such a connection is in nobody's way, and still holds what it has
//! acquired.

use std::future::pending;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use hangup::runtime::{BoxFuture, Runtime};
use hangup::{CloseReason, Conflict, KeyError, Registering, Registry, Scope};
use tokio_test::{assert_pending, assert_ready_ok, task};

use crate::support::registering;

type Agents = Registry<&'static str, u32>;

fn joined(agents: &Agents, key: &'static str) -> Registering {
    let mut setup = registering();
    setup.join(agents, key, 0).unwrap();
    setup
}

/// Closed, with an owner that has not come to undo it.
fn unsettled(agents: &Agents, key: &'static str) -> Registering {
    let setup = joined(agents, key);
    setup.handle().close(CloseReason::Aborted).unwrap();
    setup
}

/// What a join of the key is told.
fn refusal(agents: &Agents, key: &'static str) -> Option<KeyError> {
    registering().join(agents, key, 0).err()
}

#[test]
fn r29_reset_faster_than_undone() {
    let agents = Agents::new(Conflict::share(10));
    let mut resets: Vec<_> = (0..10).map(|_| unsettled(&agents, "a")).collect();
    for _ in 0..100 {
        assert_eq!(refusal(&agents, "a"), Some(KeyError::Settling));
    }
    assert_eq!(refusal(&agents, "b"), None);
    // One at a time, as one at a time settles.
    let mut lives = Vec::new();
    while let Some(reset) = resets.pop() {
        drop(reset);
        lives.push(joined(&agents, "a").go_live().unwrap());
        let expected = if resets.is_empty() {
            KeyError::Full
        } else {
            KeyError::Settling
        };
        // Only a few of them are looked at each time.
        let told = [(); 10].map(|()| refusal(&agents, "a").unwrap());
        assert_eq!(told[9], expected, "{} closed", resets.len());
    }
    assert_eq!(agents.count("a"), 10);
}

#[test]
fn r29_a_key_for_one_is_held_until_that_one_has_settled() {
    let workers = Agents::new(Conflict::Reject);
    let live = joined(&workers, "a").go_live().unwrap();
    assert_eq!(refusal(&workers, "a"), Some(KeyError::Taken));
    // Closed in a step of its own: the owner has not come yet.
    let mut step = task::spawn(live.run(pending::<()>()));
    assert_pending!(step.poll());
    assert_eq!(workers.close("a", CloseReason::Idle), 1);
    assert!(workers.get("a").is_none());
    assert_eq!(refusal(&workers, "a"), Some(KeyError::Settling));
    drop(step);
    assert_eq!(refusal(&workers, "a"), None);
}

/// A take-over is not capped, so there may be more under a key than a cap allows.
#[test]
fn r29_a_cap_below_what_take_overs_have_left() {
    let agents = Agents::new(Conflict::share(2));
    let one = unsettled(&agents, "a");
    let two = unsettled(&agents, "a");
    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&agents, "a", 1));
    assert_pending!(taking.poll());
    assert_eq!(refusal(&agents, "a"), Some(KeyError::Settling));
    drop(one);
    assert_eq!(refusal(&agents, "a"), Some(KeyError::Settling));
    drop(two);
    assert_ready_ok!(taking.poll());
    drop(taking);
    assert_eq!(refusal(&agents, "a"), None);
}

/// Under `Replace`, and for a take-over, the closed ones are no cap.
#[test]
fn r29_what_is_replaced_is_no_cap() {
    let workers = Agents::new(Conflict::Replace);
    let resets: Vec<_> = (0..100).map(|_| unsettled(&workers, "a")).collect();
    let live = joined(&workers, "a").go_live().unwrap();
    assert!(workers.contains("a"));
    drop(resets);
    assert!(live.handle().state().is_live());
    assert_eq!(workers.len(), 1);
}

/// I3: the slots that a look-up has set aside come back when their connections go live.
#[test]
fn i3_what_was_looked_over_is_found_when_it_is_live() {
    for conflict in [Conflict::Replace, Conflict::share_unbounded()] {
        let (one, two) = (Agents::new(conflict), Agents::new(conflict));
        let mut setups: Vec<_> = (0..100).map(|_| joined(&one, "a")).collect();
        for setup in &mut setups {
            setup.join(&two, "b", 0).unwrap();
        }
        assert!(one.get("a").is_none() && two.members("b").is_empty());
        assert_eq!((one.len(), two.keys().count()), (0, 0));
        let live = setups.swap_remove(37).go_live().unwrap();
        assert_eq!(one.get("a").unwrap().handle().id(), live.id());
        assert_eq!(two.get("b").unwrap().handle().id(), live.id());
        assert_eq!((one.count("a"), two.iter().count()), (1, 1));
        // Set aside or not, they are closed.
        let open = if conflict == Conflict::Replace {
            99 - 37
        } else {
            99
        };
        assert_eq!(one.close("a", CloseReason::Idle), open + 1);
        drop(setups);
        assert!(one.is_empty() && two.is_empty());
    }
}

/// I3: a key that is switched over again and again is never seen without a member, whatever
/// crowd is in set-up under it.
#[test]
fn i3_switch_over_beside_a_crowd() {
    const ROUNDS: usize = 300;
    let workers = Agents::new(Conflict::Replace);
    let mut live = joined(&workers, "a").go_live().unwrap();
    let start = Barrier::new(2);
    let done = Mutex::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            start.wait();
            while !*done.lock().unwrap() {
                assert!(workers.contains("a"));
                assert_eq!(workers.members("a").len(), 1);
                assert_eq!(workers.iter().count(), 1);
            }
        });
        start.wait();
        for _ in 0..ROUNDS {
            let crowd: Vec<_> = (0..30).map(|_| joined(&workers, "a")).collect();
            let next = joined(&workers, "a");
            live = next.go_live().unwrap();
            drop(crowd);
        }
        *done.lock().unwrap() = true;
    });
    assert!(live.handle().state().is_live());
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Runtime for Clock {
    fn spawn(&self, task: BoxFuture<()>) {
        drop(task);
    }

    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        pending().boxed()
    }
}

impl Clock {
    fn pass(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

#[test]
fn two_eager_clients_have_the_key_in_turn() {
    let clock = Clock(Arc::new(Mutex::new(Instant::now())));
    let scope = Scope::builder().runtime(clock.clone()).build();
    let registering = || scope.open().unwrap().register().unwrap();
    let held = |seconds| {
        Err(KeyError::Held {
            retry_after: Duration::from_secs(seconds),
        })
    };
    for conflict in [Conflict::Replace, Conflict::Reject] {
        let tabs = Agents::builder(conflict)
            .min_hold(Duration::from_secs(10))
            .build();
        let mut one = registering();
        one.join(&tabs, "ada", 1).unwrap();
        clock.pass(3);
        // Held since the reservation, before it is live.
        let one = one.go_live().unwrap();
        let mut two = registering();
        let take = |setup: &mut Registering| {
            let mut taking = task::spawn(setup.take_over(&tabs, "ada", 2));
            match taking.poll() {
                std::task::Poll::Ready(taken) => taken.map(drop),
                std::task::Poll::Pending => unreachable!("no undo is running"),
            }
        };
        assert_eq!(take(&mut two), held(7));
        if conflict == Conflict::Replace {
            assert_eq!(two.join(&tabs, "ada", 2), held(7));
        } else {
            assert_eq!(two.join(&tabs, "ada", 2), Err(KeyError::Taken));
        }
        assert!(one.handle().state().is_live());
        clock.pass(7);
        take(&mut two).unwrap();
        assert!(one.handle().state().is_closed());
        assert_eq!(take(&mut two), Err(KeyError::AlreadyJoined));
        let two = two.go_live().unwrap();
        let mut three = registering();
        assert_eq!(take(&mut three), held(10));
        // One that has closed holds nothing.
        drop(two);
        take(&mut three).unwrap();
    }
}

#[test]
fn a_hold_needs_a_clock() {
    let tabs = Agents::builder(Conflict::Replace)
        .min_hold(Duration::from_secs(10))
        .build();
    let mut setup = registering();
    assert_eq!(setup.join(&tabs, "ada", 1), Err(KeyError::NoRuntime));
    assert!(tabs.is_empty());
}

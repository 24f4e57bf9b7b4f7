//! Each ending does what its documentation says, at its point.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures::FutureExt;
use futures::stream;
use hangup_test::{Client, Fault, Party, Race, Signal, Timer, Trial, abort_everywhere};

/// Records what happened in the one case that runs.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Records its drop, and whether a panic causes it.
struct Local(Log, &'static str);

impl Drop for Local {
    fn drop(&mut self) {
        let how = if std::thread::panicking() {
            "unwound"
        } else {
            "dropped"
        };
        self.0.add(format!("{} {how}", self.1));
    }
}

/// Returns what `handler` does in `case`, without the undisturbed run.
fn logged<H, F>(case: &str, handler: H) -> Vec<String>
where
    H: Fn(Log, Trial, Client) -> F + 'static,
    F: Future + 'static,
{
    let log = Log::default();
    let kept = log.clone();
    let server = move |trial: &Trial| {
        kept.take();
        (kept.clone(), trial.clone())
    };
    let connect = move |(log, trial): (Log, Trial), client| handler(log, trial, client);
    abort_everywhere(server, connect)
        .close(|(log, _)| async move {
            log.add("closed");
            false
        })
        .shutdown(|(log, trial)| async move {
            log.add("shutdown begins");
            trial.point("the last ones go").await;
            log.add("shutdown ends");
        })
        .event("ping", |(log, _)| async move { log.add("ping") })
        .only(case)
        .explore()
        .unwrap();
    log.take()
}

async fn two_points(log: Log, trial: Trial, client: Client) {
    let _local = Local(log.clone(), "local");
    let signal = client.signal();
    let who = client.party();
    trial.point("first").await;
    log.add(format!("{who} after first, fired: {}", signal.has_fired()));
    trial.point("second").await;
    log.add(format!("{who} after second"));
}

#[test]
fn dropped_drops_the_handler_at_its_point() {
    assert_eq!(logged("0:dropped", two_points), [""; 0]);
    assert_eq!(logged("1:dropped", two_points), ["local dropped"]);
    let second = ["the connection after first, fired: false", "local dropped"];
    assert_eq!(logged("2:dropped", two_points), second);
}

#[test]
fn panic_unwinds_the_handler_at_its_point() {
    assert_eq!(logged("1:panic", two_points), ["local unwound"]);
    let second = ["the connection after first, fired: false", "local unwound"];
    assert_eq!(logged("2:panic", two_points), second);
}

#[test]
fn at_a_point_the_panic_is_within_the_poll() {
    let guarded = |log: Log, trial: Trial, _| {
        let mut point = Box::pin(trial.point("guarded"));
        std::future::poll_fn(move |cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| point.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| {
                log.add("caught");
                Poll::Ready(())
            })
        })
    };
    assert_eq!(logged("1:panic", guarded), ["caught"]);
}

#[test]
fn outside_a_point_the_handler_is_dropped_during_a_panic() {
    let elsewhere = |log: Log, _, _| async move {
        let _local = Local(log, "local");
        pending::<()>().await;
    };
    assert_eq!(logged("1:panic", elsewhere), ["local unwound"]);
}

#[test]
fn the_signal_fires_and_the_handler_goes_on() {
    let fired = [
        "the connection after first, fired: true",
        "the connection after second",
        "local dropped",
    ];
    assert_eq!(logged("0:signal", two_points), fired);
    assert_eq!(logged("1:signal", two_points), fired);
}

#[test]
fn an_action_of_the_test_precedes_the_next_poll_of_the_handler() {
    let rest = [
        "the connection after first, fired: false",
        "the connection after second",
        "local dropped",
    ];
    for (case, what) in [("1:closed", "closed"), ("1:event ping", "ping")] {
        let all: Vec<_> = std::iter::once(what).chain(rest).collect();
        assert_eq!(logged(case, two_points), all);
    }
}

#[test]
fn a_shutdown_that_is_complete_ends_the_process() {
    let waits = |log: Log, trial: Trial, _| async move {
        let _local = Local(log.clone(), "handler");
        let task = Arc::new(trial.clone());
        trial.spawn(async move {
            task.point("in a task").await;
            task.ledger().acquire("never");
            pending::<()>().await;
        });
        pending::<()>().await;
    };
    let ended = ["shutdown begins", "shutdown ends", "handler dropped"];
    assert_eq!(logged("1:shutdown", waits), ended);
}

#[test]
fn a_shutdown_that_never_ends_is_a_fault() {
    let report = abort_everywhere(Trial::clone, |trial: Trial, _| async move {
        trial.point("wait").await;
        pending::<()>().await;
    })
    .shutdown(|_| pending::<()>())
    .explore()
    .unwrap();
    assert_eq!(report.races().into_iter().collect::<Vec<_>>(), [Race::R14]);
    assert_eq!(report.failures()[0].fault(), &Fault::NeverExits);
}

#[test]
fn a_newcomer_arrives_at_the_point_and_runs_first() {
    let expected = [
        "the newcomer after first, fired: false",
        "the newcomer after second",
        "local dropped",
        "the connection after first, fired: false",
        "the connection after second",
        "local dropped",
    ];
    assert_eq!(logged("1:newcomer", two_points), expected);
}

#[test]
fn the_first_is_dropped_at_each_point_of_the_newcomer() {
    let expected = [
        "the newcomer after first, fired: false",
        "local dropped",
        "the newcomer after second",
        "local dropped",
    ];
    assert_eq!(logged("1:newcomer@2", two_points), expected);
}

#[test]
fn a_connection_that_is_closed_has_to_end() {
    let report = abort_everywhere(Trial::clone, |trial: Trial, client: Client| async move {
        trial.point("set up").await;
        client.respond(stream::pending::<()>()).await;
    })
    .close(|_| async { true })
    .explore()
    .unwrap();
    assert_eq!(report.races().into_iter().collect::<Vec<_>>(), [Race::R22]);
    assert_eq!(report.failures()[0].fault(), &Fault::Lingers);
}

#[test]
fn a_close_that_finds_no_connection_ends_nothing() {
    let server = |trial: &Trial| (trial.clone(), Signal::new());
    let handler = |(trial, closed): (Trial, Signal), _| async move {
        let _held = trial.ledger().hold("writer");
        trial.point("set up").await;
        closed.fired().await;
    };
    // It can be closed when it is in the table only.
    let close = |(trial, closed): (Trial, Signal)| async move {
        let found = !trial.ledger().left().is_empty();
        if found {
            closed.fire();
        }
        found
    };
    abort_everywhere(server, handler).close(close).check();
}

#[test]
fn time_passes_when_no_task_is_woken() {
    let beats = |log: Log, trial: Trial, _| async move {
        let mut timer: Timer = trial.timer("heartbeat");
        trial.spawn(async {});
        loop {
            timer.tick().await;
            log.add("beat");
        }
    };
    let points = |case| logged(case, beats).len();
    assert_eq!((points("1:dropped"), points("2:dropped")), (0, 0));
    assert_eq!((points("3:dropped"), points("4:dropped")), (1, 2));
}

#[test]
fn a_task_keeps_its_turn_while_it_is_woken() {
    type Log = Arc<Mutex<Vec<&'static str>>>;
    let log = Log::default();
    let turns = |case| {
        let kept = Arc::clone(&log);
        let server = move |trial: &Trial| {
            kept.lock().unwrap().clear();
            (trial.clone(), Arc::clone(&kept))
        };
        let handler = |(trial, log): (Trial, Log), _| async move {
            let turns = |who| {
                let (trial, log) = (trial.clone(), Arc::clone(&log));
                async move {
                    for _ in 0..60 {
                        trial.point(who).await;
                        log.lock().unwrap().push(who);
                    }
                }
            };
            trial.spawn(turns("second"));
            trial.spawn(turns("third"));
            turns("first").await;
        };
        let tried = abort_everywhere(server, handler).event("ping", |_| async {});
        tried.only(case).explore().unwrap();
        let mut turns = std::mem::take(&mut *log.lock().unwrap());
        turns.dedup();
        turns
    };
    assert_eq!(turns("1:event ping"), ["first", "second", "third"]);
    let newest_first = ["third", "second", "first"];
    assert_eq!(turns("1:event ping, newest first"), newest_first);
}

#[test]
fn a_grace_period_is_waited_for() {
    let handler = |trial: Trial, client: Client| async move {
        struct Later(Trial);
        impl Drop for Later {
            fn drop(&mut self) {
                let trial = self.0.clone();
                self.0.spawn(async move {
                    let mut grace = trial.timer("grace");
                    grace.tick().await;
                    trial.ledger().release("session");
                });
            }
        }
        trial.ledger().acquire("session");
        let _later = Later(trial.clone());
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Trial::clone, handler).check();
}

#[test]
fn a_select_of_points_panics_at_one_of_them() {
    let both = |log: Log, trial: Trial, _| async move {
        let _local = Local(log.clone(), "local");
        let (one, two) = (trial.point("one"), trial.point("two"));
        futures::future::join(one, two.map(move |()| log.add("two"))).await;
    };
    assert_eq!(logged("1:panic", both), ["local unwound"]);
    assert_eq!(
        logged("0:event ping", both),
        ["ping", "two", "local dropped"]
    );
}

#[test]
fn parties_have_an_order() {
    assert!(Party::Server < Party::First && Party::First < Party::Newcomer);
}

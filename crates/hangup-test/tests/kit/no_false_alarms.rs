//! Correct servers, in which the kit must find nothing.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::select;
use futures::stream;
use hangup_test::{Client, Signal, Trial, abort_everywhere};
use tokio::time::{interval, sleep};

use crate::on_drop::OnDrop;

/// Ends everything in order, in a task beside the response.
async fn until_aborted(client: &Client) {
    let aborted = client.signal();
    let response = Box::pin(client.respond(stream::pending::<()>()));
    select(response, aborted.fired()).await;
}

fn check<H, F>(handler: H)
where
    H: Fn(Trial, Client) -> F + 'static,
    F: Future + 'static,
{
    abort_everywhere(Trial::clone, handler).check();
}

#[test]
fn a_clean_up_may_take_and_give_back_the_same_thing_twice() {
    check(|trial, client| async move {
        until_aborted(&client).await;
        for query in ["update", "audit"] {
            let _connection = trial.ledger().hold("database connection");
            trial.point(query).await;
        }
    });
}

#[test]
fn a_clean_up_may_create_a_timer_for_each_retry() {
    check(|trial, client| async move {
        until_aborted(&client).await;
        for _ in 0..3 {
            trial.timer("retry").tick().await;
        }
    });
}

#[test]
fn a_clean_up_may_spawn_one_task_after_the_other() {
    let handler = |_: Trial, client: Client| async move {
        until_aborted(&client).await;
        for _ in 0..3 {
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
        }
    };
    abort_everywhere(Trial::clone, handler).on_tokio().check();
}

#[test]
fn a_handler_may_await_a_long_lived_signal_repeatedly() {
    let server = |trial: &Trial| (trial.clone(), trial.signal("shutdown"));
    let handler = |(trial, shutdown): (Trial, Signal), client: Client| async move {
        let work = async {
            until_aborted(&client).await;
            trial.point("tell the others").await;
            trial.point("write the log").await;
            trial.point("say goodbye").await;
        };
        select(Box::pin(work), shutdown.fired()).await;
    };
    abort_everywhere(server, handler).check();
}

/// A hand-written server has two maps, keyed by connection.
#[derive(Clone, Default)]
struct Maps {
    trial: Trial,
    next: Arc<AtomicUsize>,
    one: Arc<Mutex<BTreeMap<usize, ()>>>,
    other: Arc<Mutex<BTreeMap<usize, ()>>>,
}

impl Maps {
    fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            ..Self::default()
        }
    }

    fn number(&self) -> usize {
        self.next.fetch_add(1, SeqCst)
    }

    fn remove(&self, number: usize) {
        self.one.lock().unwrap().remove(&number);
        self.other.lock().unwrap().remove(&number);
    }
}

#[test]
fn an_index_may_list_connections_in_set_up_only() {
    let handler = |maps: Maps, client: Client| async move {
        let number = maps.number();
        let _remove = OnDrop(|| maps.remove(number));
        maps.one.lock().unwrap().insert(number, ());
        maps.trial.point("authenticate").await;
        maps.one.lock().unwrap().remove(&number);
        maps.other.lock().unwrap().insert(number, ());
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Maps::new, handler)
        .entry("in set-up", |maps| !maps.one.lock().unwrap().is_empty())
        .entry("live", |maps| !maps.other.lock().unwrap().is_empty())
        .check();
}

#[test]
fn an_index_may_list_other_connections_only() {
    let handler = |maps: Maps, client: Client| async move {
        let number = maps.number();
        maps.one.lock().unwrap().insert(number, ());
        let _remove = OnDrop(|| maps.remove(number));
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Maps::new, handler)
        .entry("by name", |maps| !maps.one.lock().unwrap().is_empty())
        .entry("by topic", |maps| !maps.other.lock().unwrap().is_empty())
        .check();
}

#[test]
fn the_server_may_start_tasks_and_timers() {
    let server = |trial: &Trial| {
        let ledger = trial.ledger().clone();
        tokio::spawn(async move {
            let _upstream = ledger.hold("upstream connection");
            tokio::spawn(pending::<()>());
            pending::<()>().await;
        });
        let (ticking, ledger) = (trial.clone(), trial.ledger().clone());
        trial.spawn(async move {
            let _manager = ledger.hold("manager");
            let mut timer = ticking.timer("sweep");
            loop {
                timer.tick().await;
            }
        });
        trial.clone()
    };
    let handler = |trial: Trial, client: Client| async move {
        trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(server, handler).on_tokio().check();
}

#[test]
fn a_grace_period_may_pass_beside_a_timer() {
    let server = |trial: &Trial| {
        trial.spawn(async {
            let mut pulse = interval(Duration::from_secs(1));
            loop {
                pulse.tick().await;
            }
        });
        Maps::new(trial)
    };
    let handler = |maps: Maps, client: Client| async move {
        let number = maps.number();
        maps.one.lock().unwrap().insert(number, ());
        let _later = OnDrop(|| {
            let maps = maps.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(30)).await;
                maps.remove(number);
            });
        });
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(server, handler)
        .resource("sessions", |maps| maps.one.lock().unwrap().len())
        .on_tokio()
        .check();
}

/// Has a timer of this period.
fn pulsing(period: Duration) -> impl Fn(&Trial) -> Trial {
    move |trial| {
        trial.spawn(async move {
            let mut pulse = interval(period);
            loop {
                pulse.tick().await;
            }
        });
        trial.clone()
    }
}

#[test]
fn a_lost_entry_may_be_restored_later_beside_a_timer() {
    let handler = |trial: Trial, _| async move {
        let _off = OnDrop(|| trial.ledger().switch_off("router"));
        loop {
            trial.ledger().switch_on("router");
            sleep(Duration::from_secs(20)).await;
        }
    };
    let restart = |trial: Trial| async move { trial.ledger().switch_off("router") };
    abort_everywhere(pulsing(Duration::from_secs(1)), handler)
        .event("restart", restart)
        .on_tokio()
        .only("1:event restart")
        .check();
}

#[test]
fn an_undo_may_not_take_hundreds_of_ticks() {
    let handler = |trial: Trial, _| async move {
        trial.ledger().acquire("session");
        let _later = OnDrop(|| {
            let later = trial.clone();
            trial.spawn(async move {
                let mut grace = later.timer("grace");
                for _ in 0..300 {
                    grace.tick().await;
                }
                later.ledger().release("session");
            });
        });
        pending::<()>().await;
    };
    let tried = abort_everywhere(Trial::clone, handler).only("1:dropped");
    let text = tried.explore().unwrap().to_string();
    assert!(text.contains("`session` is left"), "{text}");
}

#[test]
fn an_undo_may_not_take_an_hour_beside_a_timer() {
    let handler = |trial: Trial, _| async move {
        trial.ledger().acquire("session");
        let _later = OnDrop(|| {
            let ledger = trial.ledger().clone();
            trial.spawn(async move {
                sleep(Duration::from_secs(3600)).await;
                ledger.release("session");
            });
        });
        pending::<()>().await;
    };
    let report = abort_everywhere(pulsing(Duration::from_secs(20)), handler)
        .on_tokio()
        .only("1:dropped")
        .explore()
        .unwrap();
    let text = report.to_string();
    assert!(text.contains("`session` is left"), "{text}");
}

#[test]
fn a_shutdown_may_poll_and_time_out() {
    let handler = |maps: Maps, client: Client| async move {
        let number = maps.number();
        maps.one.lock().unwrap().insert(number, ());
        let _remove = OnDrop(|| maps.remove(number));
        client.respond(stream::pending::<()>()).await;
    };
    let shutdown = |maps: Maps| async move {
        for _ in 0..100 {
            if maps.one.lock().unwrap().is_empty() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    abort_everywhere(Maps::new, handler)
        .resource("open", |maps| maps.one.lock().unwrap().len())
        .shutdown(shutdown)
        .on_tokio()
        .check();
}

#[test]
fn a_newcomer_may_be_refused() {
    let handler = |maps: Maps, client: Client| async move {
        if !maps.one.lock().unwrap().is_empty() {
            return;
        }
        let number = maps.number();
        maps.one.lock().unwrap().insert(number, ());
        let _remove = OnDrop(|| maps.remove(number));
        maps.trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Maps::new, handler)
        .entry("workers", |maps| !maps.one.lock().unwrap().is_empty())
        .at_most(1, "workers")
        .check();
}

#[test]
fn several_connections_may_share_a_key() {
    let handler = |maps: Maps, client: Client| async move {
        let number = maps.number();
        maps.trial.point("authenticate").await;
        maps.one.lock().unwrap().insert(number, ());
        let _remove = OnDrop(|| maps.remove(number));
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Maps::new, handler)
        .resource("subscribers", |maps| maps.one.lock().unwrap().len())
        .at_most(2, "subscribers")
        .check();
}

#[test]
fn a_response_may_end_by_itself() {
    check(|trial, client| async move {
        let _file = trial.ledger().hold("file");
        trial.point("open").await;
        client.respond(stream::iter([1, 2, 3])).await;
    });
}

#[test]
fn a_set_up_may_release_a_resource_later() {
    check(|trial, client| async move {
        let warm_up = trial.ledger().hold("warm-up slot");
        let warm = trial.clone();
        let given_back = async move {
            let mut timer = warm.timer("warm-up");
            for _ in 0..4 {
                timer.tick().await;
            }
            drop(warm_up);
        };
        let response = client.respond(stream::pending::<()>());
        futures::join!(given_back, response);
    });
}

#[test]
fn a_shutdown_may_yield_until_the_last_connection_has_ended() {
    let server = |trial: &Trial| (trial.clone(), Signal::new(), Arc::new(AtomicUsize::new(0)));
    type Server = (Trial, Signal, Arc<AtomicUsize>);
    let handler = |(_, ending, open): Server, client: Client| async move {
        open.fetch_add(1, SeqCst);
        let _leave = OnDrop(|| {
            open.fetch_sub(1, SeqCst);
        });
        let response = Box::pin(client.respond(stream::pending::<()>()));
        select(response, ending.fired()).await;
    };
    let shutdown = |(trial, ending, open): Server| async move {
        ending.fire();
        while open.load(SeqCst) > 0 {
            trial.point("is there still one?").await;
        }
    };
    abort_everywhere(server, handler).shutdown(shutdown).check();
}

#[test]
fn a_connection_that_cannot_be_closed_yet_may_go_on() {
    let handler = |trial: Trial, client: Client| async move {
        for lock in ["first lock", "second lock"] {
            trial.ledger().switch_on("lock");
            trial.point(lock).await;
            trial.ledger().switch_off("lock");
        }
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Trial::clone, handler)
        .close(|_| async { false })
        .only("0:closed")
        .check();
}

#[test]
fn a_connection_may_hold_many_of_one_thing() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(AtomicUsize::new(0)));
    let handler = |(trial, bytes): (Trial, Arc<AtomicUsize>), client: Client| async move {
        trial.point("authenticate").await;
        bytes.fetch_add(10_000_000_000, SeqCst);
        let _leave = OnDrop(|| {
            bytes.fetch_sub(10_000_000_000, SeqCst);
        });
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(server, handler)
        .resource("bytes", |(_, bytes)| bytes.load(SeqCst))
        .check();
}

#[test]
fn a_grace_period_may_have_many_ticks() {
    check(|trial, client| async move {
        trial.ledger().acquire("session");
        let _later = OnDrop(|| {
            let later = trial.clone();
            trial.spawn(async move {
                let mut grace = later.timer("grace");
                for _ in 0..20 {
                    grace.tick().await;
                }
                later.ledger().release("session");
            });
        });
        client.respond(stream::pending::<()>()).await;
    });
}

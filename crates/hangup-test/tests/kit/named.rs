//! The kit names the right race where several leave the same fault.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::future::select;
use futures::stream;
use hangup_test::{AbortEverywhere, Client, Fault, Party, Race, Signal, Trial, abort_everywhere};

use crate::on_drop::OnDrop;

/// Returns the faults of this case, each with its race.
fn found<E: Clone + 'static>(tried: AbortEverywhere<E>, case: &str) -> Vec<(String, Option<Race>)> {
    let report = tried.only(case).explore().unwrap();
    let failures = report.failures().iter();
    failures
        .map(|it| (it.fault().to_string(), it.race()))
        .collect()
}

fn races<E: Clone + 'static>(tried: AbortEverywhere<E>, case: &str) -> Vec<Option<Race>> {
    found(tried, case).into_iter().map(|it| it.1).collect()
}

/// Waits at a point and while it responds, and leaves what it holds.
fn leaves_a_session() -> AbortEverywhere<Trial> {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().acquire("session");
        trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Trial::clone, handler).shutdown(|_| async {})
}

#[test]
fn the_race_of_a_leftover_depends_on_the_ending_and_the_response() {
    for (case, race) in [
        ("1:dropped", Race::R13),
        ("2:dropped", Race::R2),
        ("2:panic", Race::R12),
        ("2:shutdown", Race::R14),
    ] {
        assert_eq!(races(leaves_a_session(), case), [Some(race)], "{case}");
    }
}

#[test]
fn the_race_of_a_leftover_depends_on_the_party() {
    for (case, of_first, of_newcomer) in [
        ("1:newcomer", Race::R13, Race::R2),
        ("2:newcomer", Race::R2, Race::R2),
        ("1:successor@1", Race::R13, Race::R2),
        ("1:visitor@1", Race::R2, Race::R13),
    ] {
        let expected = [
            ("`session` is left by the connection".into(), Some(of_first)),
            (
                "`session` is left by the newcomer".into(),
                Some(of_newcomer),
            ),
        ];
        assert_eq!(found(leaves_a_session(), case), expected, "{case}");
    }
}

#[test]
fn the_race_of_a_late_acquisition_depends_on_the_signal_having_been_read() {
    for (at_entry, later, signal) in [
        (false, false, Race::R1),
        // A look at the entry says nothing about the time after the first `await`.
        (true, false, Race::R1),
        (true, true, Race::R5),
    ] {
        let tried = || {
            abort_everywhere(
                Trial::clone,
                move |trial: Trial, client: Client| async move {
                    let signal = client.signal();
                    if at_entry && signal.has_fired() {
                        return;
                    }
                    trial.point("authenticate").await;
                    if later && signal.has_fired() {
                        return;
                    }
                    trial.point("lock the writers").await;
                    trial.ledger().acquire("writer");
                    trial.point("tell the others").await;
                },
            )
        };
        assert_eq!(races(tried(), "2:signal"), [Some(signal)]);
        assert_eq!(races(tried(), "3:dropped"), [Some(Race::R13)]);
    }
}

#[test]
fn the_race_of_a_lost_thing_depends_on_its_kind_and_the_ending() {
    let tried = || {
        let server = |_: &Trial| Arc::new(AtomicUsize::new(0));
        let handler = |held: Arc<AtomicUsize>, client: Client| async move {
            held.store(1, SeqCst);
            let _leave = OnDrop(|| held.store(0, SeqCst));
            client.respond(stream::pending::<()>()).await;
        };
        let reset = |held: Arc<AtomicUsize>| async move { held.store(0, SeqCst) };
        abort_everywhere(server, handler).event("reset", reset)
    };
    let level = |held: &Arc<AtomicUsize>| held.load(SeqCst);
    let permit = || tried().permit("permit", level);
    assert_eq!(races(permit(), "1:event reset"), [Some(Race::R25)]);
    let entry = || tried().entry("workers", move |held| level(held) > 0);
    assert_eq!(races(entry(), "1:event reset"), [Some(Race::R8)]);
    let resource = || tried().resource("session", level);
    assert_eq!(races(resource(), "1:event reset"), [None]);
    assert_eq!(races(resource(), "1:visitor@1"), [Some(Race::R9)]);
}

#[test]
fn a_dropped_connection_that_is_visible_is_r13() {
    let tried = |hides: bool, leaves: bool| {
        abort_everywhere(
            Trial::clone,
            move |trial: Trial, client: Client| async move {
                trial.ledger().show("workers");
                if leaves {
                    trial.ledger().acquire("session");
                }
                let _later = OnDrop(|| {
                    let ledger = trial.ledger().clone();
                    trial.spawn(async move {
                        if hides {
                            ledger.hide("workers");
                        }
                    });
                });
                client.respond(stream::pending::<()>()).await;
            },
        )
    };
    let visible = "the connection is visible in `workers` and is not live";
    for case in ["2:dropped", "2:panic"] {
        let expected = [(visible.into(), Some(Race::R13))];
        assert_eq!(found(tried(true, false), case), expected, "{case}");
    }
    // This holds if something else is left too.
    let session = "`session` is left by the connection";
    let both = [
        (session.into(), Some(Race::R2)),
        (visible.into(), Some(Race::R13)),
    ];
    assert_eq!(found(tried(true, true), "2:dropped"), both);
    // The leftover implies it.
    let left = "the entry in `workers` is left by the connection";
    assert_eq!(
        found(tried(false, false), "2:dropped"),
        [(left.into(), Some(Race::R2))]
    );
}

#[test]
fn a_connection_that_is_visible_too_early_has_no_race() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().show("workers");
        let _hide = OnDrop(|| trial.ledger().hide("workers"));
        trial.point("authenticate").await;
        client.live();
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    let first = &report.failures()[0];
    assert!(
        matches!(first.fault(), Fault::VisibleNotLive { .. }),
        "{report}"
    );
    assert_eq!((first.ending(), first.race()), (None, None));
}

#[test]
fn an_acquisition_by_a_task_of_a_dropped_connection_is_r1() {
    let handler = |trial: Trial, _| async move {
        let task = trial.clone();
        trial.spawn(async move {
            task.point("look the user up").await;
            task.ledger().acquire("session");
        });
        pending::<()>().await;
    };
    let tried = abort_everywhere(Trial::clone, handler);
    let left = "`session` is left, acquired for the connection after its end";
    assert_eq!(found(tried, "1:dropped"), [(left.into(), Some(Race::R1))]);
}

#[test]
fn a_leftover_of_a_shutdown_that_drops_a_task_of_the_connection_is_r13() {
    let tried = |of_server: bool, of_first: bool| {
        let server = move |trial: &Trial| {
            if of_server {
                trial.spawn(pending::<()>());
            }
            trial.clone()
        };
        let handler = move |trial: Trial, _| async move {
            trial.ledger().acquire("session");
            trial.spawn(async {});
            if of_first {
                trial.spawn(pending::<()>());
            }
            pending::<()>().await;
        };
        abort_everywhere(server, handler).shutdown(|_| async {})
    };
    for (of_server, of_first, race) in [
        (false, false, Race::R14),
        (true, false, Race::R14),
        (false, true, Race::R13),
    ] {
        let left = "`session` is left by the connection";
        let expected = [(left.into(), Some(race))];
        // This is after the first task has ended.
        assert_eq!(found(tried(of_server, of_first), "2:shutdown"), expected);
    }
}

#[test]
fn a_leftover_of_a_shutdown_that_prevents_a_spawn_is_r13() {
    let handler = |trial: Trial, _| async move {
        trial.ledger().acquire("session");
        let _release = OnDrop(|| {
            let ledger = trial.ledger().clone();
            trial.spawn(async move { ledger.release("session") });
        });
        pending::<()>().await;
    };
    let tried = abort_everywhere(Trial::clone, handler).shutdown(|_| async {});
    assert_eq!(races(tried, "1:shutdown"), [Some(Race::R13)]);
}

#[test]
fn a_leftover_of_a_shutdown_that_drops_tasks_of_the_server_is_r14() {
    let server = |trial: &Trial| {
        tokio::spawn(pending::<()>());
        trial.clone()
    };
    let handler = |trial: Trial, _| async move {
        trial.ledger().acquire("session");
        pending::<()>().await;
    };
    let tried = abort_everywhere(server, handler).shutdown(|_| async {});
    assert_eq!(races(tried.on_tokio(), "1:shutdown"), [Some(Race::R14)]);
}

#[test]
fn a_leftover_hides_that_the_handler_lingers() {
    let tried = leaves_a_session().close(|_| async { true });
    assert_eq!(races(tried, "2:closed"), [Some(Race::R2)]);
}

#[test]
fn a_counted_leftover_belongs_to_the_party_that_left_it() {
    let server = |_: &Trial| Arc::new(AtomicUsize::new(0));
    let handler = |open: Arc<AtomicUsize>, client: Client| async move {
        open.fetch_add(1, SeqCst);
        let _leave = OnDrop(|| {
            // The newcomer forgets its guard.
            if client.party() == Party::First {
                open.fetch_sub(1, SeqCst);
            }
        });
        client.respond(stream::pending::<()>()).await;
    };
    let tried = abort_everywhere(server, handler);
    let tried = tried.resource("open", |open| open.load(SeqCst));
    let left = "`open` is left by the newcomer";
    assert_eq!(
        found(tried, "1:newcomer@2"),
        [(left.into(), Some(Race::R2))]
    );
}

#[test]
fn a_refused_newcomer_must_not_take_from_the_first() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(AtomicUsize::new(0)));
    let handler = |(trial, came): (Trial, Arc<AtomicUsize>), client: Client| async move {
        if came.fetch_add(1, SeqCst) > 0 {
            trial.ledger().switch_off("router");
            return;
        }
        trial.ledger().switch_on("router");
        let _off = OnDrop(|| trial.ledger().switch_off("router"));
        client.respond(stream::pending::<()>()).await;
    };
    let tried = abort_everywhere(server, handler);
    let lost = "the connection is open and has lost `router`";
    assert_eq!(found(tried, "1:newcomer"), [(lost.into(), Some(Race::R9))]);
}

#[test]
fn the_race_of_two_ended_connections_depends_on_the_response() {
    let tried = || {
        let server = |trial: &Trial| (trial.clone(), Arc::new(AtomicUsize::new(0)), Signal::new());
        type Server = (Trial, Arc<AtomicUsize>, Signal);
        let handler = |(trial, came, conflict): Server, client: Client| async move {
            if came.fetch_add(1, SeqCst) > 0 {
                conflict.fire();
                return;
            }
            let responds = Box::pin(async {
                trial.point("authenticate").await;
                client.respond(stream::pending::<()>()).await;
            });
            select(responds, conflict.fired()).await;
        };
        abort_everywhere(server, handler)
    };
    assert_eq!(races(tried(), "1:newcomer"), [Some(Race::R23)]);
    assert_eq!(races(tried(), "2:newcomer"), [Some(Race::R8)]);
}

#[test]
fn a_panic_after_an_interference_is_r12() {
    let handler = |trial: Trial, client: Client| async move {
        let signal = client.signal();
        trial.point("authenticate").await;
        assert!(!signal.has_fired(), "nobody is there");
        pending::<()>().await;
    };
    let tried = abort_everywhere(Trial::clone, handler);
    assert_eq!(races(tried, "1:signal"), [Some(Race::R12)]);
}

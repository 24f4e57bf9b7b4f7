//! A connection that nothing ends stays open, and a client may stop reading.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures::stream::{self, StreamExt};
use hangup_test::{
    AbortEverywhere, Client, Ending, Failure, Fault, Party, Race, Report, Signal, Trial,
    abort_everywhere,
};

use crate::on_drop::OnDrop;

fn faults(report: &Report) -> Vec<Fault> {
    report
        .failures()
        .iter()
        .map(|it| it.fault().clone())
        .collect()
}

fn races(report: &Report) -> Vec<Race> {
    report.races().into_iter().collect()
}

/// Ends when its signal fires, which the event does.
fn ends_at_an_event() -> AbortEverywhere<Signal> {
    let handler = |closed: Signal, client: Client| async move {
        let body = stream::pending::<()>().take_until(closed.fired());
        client.respond(body).await;
    };
    let tried = abort_everywhere(|_: &Trial| Signal::new(), handler);
    tried.event("a quiet hour", |closed| async move { closed.fire() })
}

#[test]
fn a_connection_that_an_event_ends_is_a_fault() {
    let report = ends_at_an_event()
        .only("2:event a quiet hour")
        .explore()
        .unwrap();
    let [Fault::CutOff { by, .. }] = faults(&report)[..] else {
        panic!("{report}");
    };
    assert_eq!((by, races(&report)), (Party::First, Vec::new()));
    let told = "the connection was open, nothing ended it, and it has ended";
    assert!(report.to_string().contains(told), "{report}");
}

#[test]
fn a_connection_that_ends_by_itself_may_end_at_an_event() {
    let handler = |_: Trial, client: Client| async move {
        client.respond(stream::iter([1, 2])).await;
    };
    let tried = abort_everywhere(Trial::clone, handler);
    tried.event("ping", |_| async {}).check();
}

/// The connections of a manager by key. A newcomer gets the place, or shares it.
#[derive(Clone, Default)]
struct Manager(Arc<Mutex<BTreeMap<u64, Signal>>>);

impl Manager {
    fn add(&self) -> (u64, Signal) {
        let mut all = self.0.lock().unwrap();
        let id = all.keys().next_back().map_or(0, |last| last + 1);
        let signal = Signal::new();
        all.insert(id, signal.clone());
        (id, signal)
    }

    /// Ends all connections, as a cleanup by key does.
    fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.values().for_each(Signal::fire);
    }

    fn remove(&self, id: u64) {
        let removed = self.0.lock().unwrap().remove(&id);
        drop(removed);
    }
}

/// `by_key`: its cleanup ends every connection under its key.
fn shares(by_key: bool) -> AbortEverywhere<(Trial, Manager)> {
    let handler = move |(trial, manager): (Trial, Manager), client: Client| async move {
        trial.point("authenticate").await;
        let (id, closed) = manager.add();
        let _cleanup = OnDrop(|| match by_key {
            true => manager.end_all(),
            false => manager.remove(id),
        });
        let body = stream::pending::<()>().take_until(closed.fired());
        client.respond(body).await;
    };
    abort_everywhere(|trial: &Trial| (trial.clone(), Manager::default()), handler)
}

#[test]
fn a_cleanup_that_cuts_a_healthy_client_is_r8() {
    let report = shares(true).explore().unwrap();
    let is_cut = |fault: &Fault, who| matches!(fault, Fault::CutOff { by, .. } if *by == who);
    let of = |who| report.failures().iter().find(|it| is_cut(it.fault(), who));
    // The visitor's cleanup cuts the first, and that of the first cuts the newcomer.
    assert!(
        matches!(of(Party::First).unwrap().ending(), Some(Ending::Visitor(_))),
        "{report}"
    );
    assert!(of(Party::Newcomer).is_some(), "{report}");
    assert_eq!(races(&report), [Race::R8], "{report}");
    shares(false).stays_open().check();
}

#[test]
fn a_late_cleanup_that_cuts_the_successor_is_r8() {
    let handler = move |(trial, manager): (Trial, Manager), client: Client| async move {
        let (_, closed) = manager.add();
        let _cleanup = OnDrop(|| {
            let (trial, manager) = (trial.clone(), manager.clone());
            trial.clone().spawn(async move {
                trial.timer("grace").tick().await;
                manager.end_all();
            });
        });
        let body = stream::pending::<()>().take_until(closed.fired());
        client.respond(body).await;
    };
    let server = |trial: &Trial| (trial.clone(), Manager::default());
    let report = abort_everywhere(server, handler).explore().unwrap();
    let after = |it: &&Failure| matches!(it.ending(), Some(Ending::Successor(_)));
    let failure = report.failures().iter().find(after).expect("a successor");
    let cut = matches!(
        failure.fault(),
        Fault::CutOff {
            by: Party::Newcomer,
            ..
        }
    );
    assert!(cut && failure.race() == Some(Race::R8), "{report}");
}

/// A newcomer takes the place at once.
fn replaces() -> AbortEverywhere<(Trial, Manager)> {
    let handler = move |(trial, manager): (Trial, Manager), client: Client| async move {
        trial.point("authenticate").await;
        manager.end_all();
        let (id, closed) = manager.add();
        let _cleanup = OnDrop(|| manager.remove(id));
        let body = stream::pending::<()>().take_until(closed.fired());
        client.respond(body).await;
    };
    abort_everywhere(|trial: &Trial| (trial.clone(), Manager::default()), handler)
}

#[test]
fn a_visitor_may_take_over_unless_connections_stay_open() {
    replaces().check();
    let report = replaces().stays_open().explore().unwrap();
    let visited = |it: &&Failure| matches!(it.ending(), Some(Ending::Visitor(_)));
    assert!(report.failures().iter().any(|it| visited(&it)), "{report}");
}

#[test]
fn a_successor_that_is_refused_is_no_fault() {
    // The old connection is removed by a task, so its successor may find it.
    let handler = |(trial, taken): (Trial, Rc<RefCell<bool>>), client: Client| async move {
        if taken.replace(true) {
            return;
        }
        let _free = OnDrop(|| {
            let (trial, taken) = (trial.clone(), Rc::clone(&taken));
            trial.clone().spawn(async move {
                trial.point("log").await;
                taken.replace(false);
            });
        });
        client.respond(stream::pending::<()>()).await;
    };
    let server = |trial: &Trial| (trial.clone(), Rc::default());
    abort_everywhere(server, handler).check();
}

#[test]
fn both_stay_open_unless_there_is_one_per_key() {
    shares(false).check();
    let report = shares(false).one_per_key().explore().unwrap();
    assert!(faults(&report).contains(&Fault::BothOpen), "{report}");
    replaces().one_per_key().check();
}

/// Sends into a channel of one place, and waits for room there.
fn pushes(in_task: bool) -> AbortEverywhere<(Trial, Signal)> {
    let handler = move |(trial, closed): (Trial, Signal), client: Client| async move {
        let (mut sender, body) = futures::channel::mpsc::channel::<u64>(0);
        let ledger = trial.ledger().clone();
        let ends = closed.clone();
        trial.spawn(async move {
            let _session = ledger.hold("session");
            for number in 0..3 {
                let sent = futures::future::poll_fn(|cx| sender.poll_ready(cx)).await;
                if sent.is_err() || sender.start_send(number).is_err() {
                    return;
                }
            }
            // It looks at the close between two items only.
            if in_task {
                ends.fired().await;
            } else {
                pending::<()>().await;
            }
        });
        client.respond(body).await;
    };
    let server = |trial: &Trial| (trial.clone(), Signal::new());
    abort_everywhere(server, handler).shutdown(|(trial, closed)| async move {
        closed.fire();
        let mut timer = trial.timer("drain");
        while !trial
            .ledger()
            .left()
            .iter()
            .all(|it| it.to_string().contains("drain"))
        {
            timer.tick().await;
        }
    })
}

#[test]
fn a_shutdown_that_waits_for_a_reader_that_stopped_is_r16() {
    let report = pushes(true).explore().unwrap();
    let stalled = |it: &&Failure| it.ending() == Some(&Ending::StalledAtShutdown);
    let failure = report
        .failures()
        .iter()
        .find(stalled)
        .expect("a stalled reader");
    assert_eq!(failure.race(), Some(Race::R16), "{report}");
    assert_eq!(failure.fault(), &Fault::NeverExits);
    // It ends while its client reads.
    let shutdown = |it: &&Failure| it.ending() == Some(&Ending::Shutdown);
    assert!(
        !report.failures().iter().any(|it| shutdown(&it)),
        "{report}"
    );
}

#[test]
fn a_server_that_does_not_shut_down_at_all_is_no_fault_of_the_reader() {
    let report = pushes(false).explore().unwrap();
    assert!(!races(&report).contains(&Race::R16), "{report}");
    assert!(races(&report).contains(&Race::R14), "{report}");
}

#[test]
fn a_connection_stays_visible_after_its_close_if_its_reader_stopped() {
    // The body notices the close, and it is not polled.
    let handler = |(trial, closed): (Trial, Signal), client: Client| async move {
        trial.ledger().show("writers");
        let _hide = OnDrop(|| trial.ledger().hide("writers"));
        let body = stream::iter([1]).chain(stream::pending());
        client.respond(body.take_until(closed.fired())).await;
    };
    let server = |trial: &Trial| (trial.clone(), Signal::new());
    let report = abort_everywhere(server, handler)
        .close(|(_, closed)| async move {
            closed.fire();
            true
        })
        .only("2:stalled")
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R16], "{report}");
    let told = "the connection is visible in `writers` and is not live";
    assert!(report.to_string().contains(told), "{report}");
}

#[test]
fn a_client_that_is_written_by_hand_stops_reading_too() {
    let handler = |trial: Trial, client: Client| async move {
        loop {
            client.reads().await;
            trial.point("read").await;
            trial.ledger().acquire("item");
            trial.ledger().release("item");
            pending::<()>().await;
        }
    };
    let report = abort_everywhere(Trial::clone, handler)
        .shutdown(|_| async {})
        .explore()
        .unwrap();
    assert!(
        report.endings().contains(&Ending::StalledAtShutdown),
        "{report}"
    );
    // A client that is not asked reads nothing.
    let handler = |trial: Trial, _| async move { trial.point("wait").await };
    let report = abort_everywhere(Trial::clone, handler)
        .shutdown(|_| async {})
        .check();
    assert!(
        !report.endings().contains(&Ending::StalledAtShutdown),
        "{report}"
    );
}

#[test]
fn an_event_that_ends_a_connection_may_be_declared() {
    let handler = |closed: Signal, client: Client| async move {
        let body = stream::pending::<()>().take_until(closed.fired());
        client.respond(body).await;
    };
    let tried = abort_everywhere(|_: &Trial| Signal::new(), handler);
    let report = tried
        .event_that_ends("a reload", |closed| async move { closed.fire() })
        .check();
    let reload = Ending::Event("a reload".into());
    assert!(report.endings().contains(&reload), "{report}");
}

#[test]
fn a_second_connection_that_is_refused_may_respond_and_end() {
    let handler = |taken: Rc<RefCell<bool>>, client: Client| async move {
        if taken.replace(true) {
            client.respond(stream::iter(["try again later"])).await;
            return;
        }
        let _free = OnDrop(|| {
            taken.replace(false);
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(|_: &Trial| Rc::default(), handler).check();
    assert!(report.cases() > 10, "{report}");
}

#[test]
fn a_client_that_stops_reading_may_not_be_set_up_as_far() {
    // Its body subscribes after the first item.
    let handler = |(trial, closed): (Trial, Signal), client: Client| async move {
        let mut subscription = None;
        let body = stream::iter(["welcome", "subscribed"]).chain(stream::pending());
        let body = body.inspect(|item| {
            if *item == "subscribed" {
                subscription = Some(trial.ledger().hold("subscription"));
            }
        });
        client.respond(body.take_until(closed.fired())).await;
        drop(subscription);
    };
    let server = |trial: &Trial| (trial.clone(), Signal::new());
    let report = abort_everywhere(server, handler)
        .close(|_| async { false })
        .explore()
        .unwrap();
    let stalled = |it: &&Failure| it.ending() == Some(&Ending::Stalled);
    assert!(report.endings().contains(&Ending::Stalled), "{report}");
    assert_eq!(
        report.failures().iter().filter(stalled).count(),
        0,
        "{report}"
    );
}

/// A body that holds its permit, and ends when it is polled after the close.
fn counts_streams() -> AbortEverywhere<(Trial, Signal)> {
    let handler = |(trial, closed): (Trial, Signal), client: Client| async move {
        let held = trial.ledger().permit("streams");
        let body = stream::iter([1, 2]).chain(stream::pending());
        let body = body.inspect(move |_| {
            let _ = &held;
        });
        client.respond(body.take_until(closed.fired())).await;
    };
    abort_everywhere(|trial: &Trial| (trial.clone(), Signal::new()), handler)
}

#[test]
fn the_permit_in_the_body_of_a_closed_connection_is_r16_if_its_reader_stopped() {
    let report = counts_streams()
        .close(|(_, closed)| async move {
            closed.fire();
            true
        })
        .only("2:stalled")
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R16], "{report}");
    let told = "`streams` is left by the connection";
    assert_eq!(report.failures()[0].fault().to_string(), told);
}

#[test]
fn a_close_that_waits_for_a_reader_that_stopped_is_r16() {
    let report = counts_streams()
        .close(|(trial, closed)| async move {
            closed.fire();
            let mut timer = trial.timer("drain");
            let streams = |fault: &Fault| fault.to_string().contains("streams");
            while trial.ledger().left().iter().any(streams) {
                timer.tick().await;
            }
            true
        })
        .only("2:stalled")
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R16], "{report}");
    assert_eq!(report.failures()[0].fault(), &Fault::Lingers);
}

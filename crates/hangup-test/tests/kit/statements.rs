//! A statement is a point: what happens there, and what does not.

use std::cell::RefCell;
use std::rc::Rc;

use futures::stream;
use hangup_test::{
    AbortEverywhere, Client, Ending, ExploreError, Failure, Fault, Race, Report, Trial,
    abort_everywhere,
};

#[derive(Clone)]
struct Server {
    trial: Trial,
    log: Rc<RefCell<Vec<String>>>,
}

async fn handler(server: Server, client: Client) {
    let who = client.party();
    let log = |what: &str| server.log.borrow_mut().push(format!("{who}: {what}"));
    let signal = client.signal();
    log("before");
    server.trial.here("between");
    log(&format!("after, fired: {}", signal.has_fired()));
    server.trial.point("wait").await;
    client.respond(stream::pending::<()>()).await;
}

fn tried(log: &Rc<RefCell<Vec<String>>>) -> AbortEverywhere<Server> {
    let kept = Rc::clone(log);
    let server = move |trial: &Trial| {
        kept.take();
        Server {
            trial: trial.clone(),
            log: Rc::clone(&kept),
        }
    };
    abort_everywhere(server, handler)
        .close(|server| async move {
            server.log.borrow_mut().push("closed".into());
            server.trial.point("tell the others").await;
            server.log.borrow_mut().push("the others know".into());
            false
        })
        .shutdown(|server| async move { server.log.borrow_mut().push("shutdown".into()) })
        .event("ping", |server| async move {
            server.log.borrow_mut().push("ping".into());
        })
}

fn logged(case: &str) -> Vec<String> {
    let log = Rc::default();
    tried(&log).only(case).explore().unwrap();
    log.take()
}

#[test]
fn a_statement_is_a_point_with_its_label() {
    let report: Report = tried(&Rc::default()).explore().unwrap();
    let points = ["before its first poll", "between", "wait"];
    assert_eq!(report.points()[..3], points);
}

#[test]
fn what_happens_at_a_statement_happens_before_the_next_one() {
    let first = ["the connection: before"];
    let rest = ["the connection: after, fired: false"];
    for (case, what) in [
        ("1:closed", &["closed", "the others know"][..]),
        ("1:event ping", &["ping"]),
    ] {
        assert_eq!(logged(case), [&first[..], what, &rest].concat(), "{case}");
    }
    let fired = [
        "the connection: before",
        "the connection: after, fired: true",
    ];
    assert_eq!(logged("1:signal"), fired);
    // The statement after it is reached although the process ends: it runs on a thread.
    assert_eq!(
        logged("1:shutdown"),
        [&first[..], &["shutdown"], &rest].concat()
    );
}

#[test]
fn a_second_connection_runs_in_the_gap() {
    let second = ["the newcomer: before", "the newcomer: after, fired: false"];
    let (first, rest) = (
        ["the connection: before"],
        ["the connection: after, fired: false"],
    );
    for case in ["1:newcomer", "1:newcomer@1", "1:visitor@2"] {
        assert_eq!(
            logged(case),
            [&first[..], &second, &rest].concat(),
            "{case}"
        );
    }
    // It arrives, and has not been polled when the handler goes on.
    let late = [&first[..], &rest, &second].concat();
    assert_eq!(logged("1:newcomer@0"), late);
    assert_eq!(logged("1:visitor@0"), [&first[..], &rest].concat());
    let successor = [&first[..], &["closed", "the others know"], &second, &rest].concat();
    assert_eq!(logged("1:successor@1"), successor);
}

#[test]
fn a_handler_is_neither_dropped_nor_panics_at_a_statement() {
    for case in ["1:dropped", "1:panic", "1:stalled", "1:successor@2"] {
        let error = tried(&Rc::default()).only(case).explore().unwrap_err();
        let case = case.to_owned();
        assert_eq!(error.to_string(), format!("there is no case `{case}`"));
        assert!(matches!(error, ExploreError::NoSuchCase { .. }));
    }
}

#[test]
fn without_a_close_and_a_signal_there_is_no_successor_at_a_statement() {
    let handler = |trial: Trial, _| async move {
        trial.here("between");
        trial.point("wait").await;
    };
    let tried = |case| abort_everywhere(Trial::clone, handler).only(case).explore();
    assert!(tried("1:successor@1").is_err());
    assert!(tried("2:successor@1").is_ok());
}

#[test]
fn statements_of_the_second_connection_and_of_tests_are_no_points() {
    let trial = Trial::default();
    trial.here("outside a run");
    let handler = |trial: Trial, client: Client| async move {
        trial.point("wait").await;
        Trial::default().here("of another trial");
        trial.here("between");
        client.respond(stream::pending::<()>()).await;
    };
    let server = |trial: &Trial| {
        trial.here("in the server");
        let of_server = trial.clone();
        trial.spawn(async move {
            let mut timer = of_server.timer("sweep");
            loop {
                timer.tick().await;
                of_server.here("in a task of the server");
            }
        });
        trial.clone()
    };
    let report = abort_everywhere(server, handler)
        .close(|trial| async move {
            trial.here("in the close");
            false
        })
        .resource("things", |trial| {
            trial.here("in a probe");
            0
        })
        .check();
    let points = [
        "before its first poll",
        "wait",
        "between",
        "the response head",
        "suspension 3",
    ];
    assert_eq!(report.points()[..5], points);
    let labels = report.points()[5..].iter();
    assert_eq!(
        labels.filter(|it| !it.contains("timer sweep")).count(),
        0,
        "{report}"
    );
}

#[test]
fn a_statement_of_a_task_of_the_connection_is_a_point() {
    let handler = |trial: Trial, _| async move {
        let inner = trial.clone();
        let (done, waits) = futures::channel::oneshot::channel();
        trial.spawn(async move {
            inner.ledger().acquire("session");
            inner.here("in the task");
            inner.ledger().release("session");
            done.send(())
        });
        let _done: Result<_, _> = waits.await;
    };
    let report = abort_everywhere(Trial::clone, handler).check();
    assert!(report.points().iter().any(|label| label == "in the task"));
}

#[test]
fn what_is_acquired_before_a_statement_is_that_of_the_first_connection() {
    type Map = Rc<RefCell<Vec<u8>>>;
    let handler = |(trial, map): (Trial, Map), _| async move {
        map.borrow_mut().push(0);
        trial.here("between");
        trial.point("wait").await;
    };
    let server = |trial: &Trial| (trial.clone(), Map::default());
    let report = abort_everywhere(server, handler)
        .resource("things", |(_, map)| map.borrow().len())
        .only("1:visitor@0")
        .explore()
        .unwrap();
    let left = "`things` is left by the connection";
    assert_eq!(report.failures()[0].fault().to_string(), left);
}

#[test]
fn a_close_between_the_last_look_and_the_add_is_r5() {
    let handler = |trial: Trial, client: Client| async move {
        let aborted = client.signal();
        if aborted.has_fired() {
            return;
        }
        trial.here("between the look and the add");
        trial.ledger().acquire("writer");
        let ledger = trial.ledger().clone();
        aborted.listen(move || ledger.release("writer"));
        trial.point("write the head").await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .only("1:signal")
        .explore();
    let report = report.unwrap();
    assert_eq!(report.failures()[0].race(), Some(Race::R5), "{report}");
    assert_eq!(report.failures()[0].ending(), Some(&Ending::Signal));
}

#[test]
fn a_handler_that_does_not_come_to_the_statement_again_is_told() {
    let runs = Rc::new(RefCell::new(0));
    let server = move |trial: &Trial| {
        *runs.borrow_mut() += 1;
        (trial.clone(), *runs.borrow())
    };
    let handler = |(trial, run): (Trial, u32), _| async move {
        if run == 1 {
            trial.here("once");
        }
        trial.point("wait").await;
    };
    let report = abort_everywhere(server, handler).explore().unwrap();
    let told = &report.not_repeated()[0];
    assert_eq!((told.expected(), told.seen()), ((1, "once"), Some("wait")));
}

#[test]
fn a_task_that_panics_in_the_gap_is_a_fault_and_the_handler_goes_on() {
    let handler = |trial: Trial, client: Client| async move {
        let aborted = client.signal();
        aborted.listen(|| panic!("in the listener"));
        trial.here("between");
        trial.point("wait").await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .only("1:signal")
        .explore();
    let report = report.unwrap();
    assert!(
        matches!(report.failures()[0].fault(), Fault::Panicked { .. }),
        "{report}"
    );
}

#[test]
fn between_two_statements_indexes_may_differ() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().show("by name");
        trial.here("between the indexes");
        trial.ledger().show("by session");
        client.respond(stream::pending::<()>()).await;
        trial.ledger().hide("by name");
        trial.ledger().hide("by session");
    };
    let report = abort_everywhere(Trial::clone, handler)
        .event("ping", |_| async {})
        .only("1:event ping")
        .explore()
        .unwrap();
    let differs = |it: &Failure| matches!(it.fault(), Fault::HalfVisible { .. });
    assert!(!report.failures().iter().any(differs), "{report}");
}

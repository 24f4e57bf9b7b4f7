//! The kit tries the right cases and reports them.

use std::cell::Cell;
use std::future::{pending, ready};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use futures::future::select;
use futures::stream;
use hangup_test::{
    Client, Ending, ExploreError, Failure, Fault, Race, Signal, Trial, abort_everywhere,
};

use crate::on_drop::OnDrop;

/// Releases what it acquired after a point that it may not reach.
async fn leaky(trial: Trial, _: Client) {
    trial.point("look the user up").await;
    trial.ledger().acquire("session");
    trial.point("tell the others").await;
    trial.ledger().release("session");
}

#[test]
fn every_ending_is_tried_at_every_point() {
    let report = abort_everywhere(Trial::clone, leaky).explore().unwrap();
    let points = [
        "before its first poll",
        "look the user up",
        "tell the others",
    ];
    assert_eq!(report.points(), points);
    let endings: Vec<_> = report.endings().iter().map(Ending::to_string).collect();
    assert_eq!(endings, ["dropped", "panic", "newcomer"]);
    // The cases are: undisturbed; dropped; panic; a newcomer that stays; a newcomer
    // during which the first is dropped at each point; a visitor that is dropped at each
    // point; a successor. There is never a choice of tasks, so the order is always the same.
    assert_eq!(report.cases(), 1 + 3 * 2 + 3 * (1 + 3 + 3 + 1));
}

#[test]
fn the_readme_shows_what_the_kit_prints() {
    let handler = |trial: Trial, client: Client| async move {
        trial.point("resume").await;
        trial.ledger().switch_on("ada is resumed");
        client.respond(stream::iter(["hello"])).await;
        trial.ledger().switch_off("ada is resumed");
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    let text = report.to_string();
    let readme = include_str!("../../README.md");
    for line in text.lines().take(5).filter(|line| !line.contains("alone:")) {
        assert!(readme.contains(line), "{line}");
    }
}

#[test]
fn a_case_in_which_two_tasks_are_woken_is_tried_in_both_orders() {
    let handler = |trial: Trial, _| async move {
        let spawned = trial.clone();
        trial.spawn(async move { spawned.point("in a task").await });
        trial.point("wait").await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .event("ping", |_| ready(()))
        .explore()
        .unwrap();
    let points = ["before its first poll", "wait"];
    assert_eq!(report.points(), points);
    // Both are woken after a ping at either point, and when the second arrives.
    let tried = |case: &str| {
        let tried = abort_everywhere(Trial::clone, handler).event("ping", |_| ready(()));
        tried.only(case).explore().is_ok()
    };
    assert!(tried("1:event ping, newest first"));
    let alone = abort_everywhere(Trial::clone, |trial: Trial, _| async move {
        trial.point("wait").await;
    });
    let alone = alone.event("ping", |_| ready(())).explore().unwrap();
    assert!(report.cases() > alone.cases(), "{report}{alone}");
}

#[test]
fn endings_that_the_test_does_not_offer_are_not_tried() {
    let handler = |trial: Trial, client: Client| async move {
        let _signal = client.signal();
        trial.point("wait").await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .close(|_| ready(true))
        .shutdown(|_| ready(()))
        .event("a router restarts", |_| ready(()))
        .explore()
        .unwrap();
    let endings: Vec<_> = report.endings().iter().map(Ending::to_string).collect();
    let expected = "signal, closed, dropped, panic, shutdown, newcomer, event a router restarts";
    assert_eq!(endings.join(", "), expected);
}

#[test]
fn a_failure_names_the_point_the_ending_the_thing_and_how_to_run_it_alone() {
    let report = abort_everywhere(Trial::clone, leaky).explore().unwrap();
    let dropped = |failure: &&Failure| failure.ending() == Some(&Ending::Dropped);
    let failure = report.failures().iter().find(dropped).unwrap();
    assert_eq!(failure.point(), (2, "tell the others"));
    assert_eq!(
        failure.to_string(),
        "R13 the handler future is dropped in mid set-up: `session` is left by the \
         connection; dropped at point 2, `tell the others`"
    );
    let text = report.to_string();
    let alone = "alone: HANGUP_CASE='2:dropped' cargo test cases::a_failure_names";
    assert!(text.contains(alone), "{text}");
    let counts = format!(
        "{} of {} cases fail: 3 points,",
        report.failing(),
        report.cases()
    );
    assert!(text.starts_with(&counts), "{text}");
    assert!(1 < report.failing() && report.failing() < report.cases());
    let left = |it: &&Failure| (it.race(), it.fault()) == (failure.race(), failure.fault());
    let others = report.failures().iter().filter(left).count() - 1;
    assert!(
        text.contains(&format!("likewise in {others} more")),
        "{text}"
    );

    let alone = abort_everywhere(Trial::clone, leaky).only("2:dropped");
    let text = alone.explore().unwrap().to_string();
    assert!(!text.contains("likewise"), "{text}");
}

#[test]
fn one_case_can_be_run_alone() {
    let runs = Rc::new(Cell::new(0));
    let counted = Rc::clone(&runs);
    let server = move |trial: &Trial| {
        counted.set(counted.get() + 1);
        trial.clone()
    };
    let report = abort_everywhere(server, leaky)
        .only("2:dropped")
        .explore()
        .unwrap();
    // The undisturbed run finds the points; the other run is this case.
    assert_eq!((runs.get(), report.cases(), report.failing()), (2, 1, 1));

    let newcomer = abort_everywhere(Trial::clone, leaky).only("1:newcomer@2, newest first");
    assert_eq!(newcomer.explore().unwrap().cases(), 1);
}

#[test]
fn a_case_that_does_not_exist_is_an_error() {
    for case in [
        "",
        "dropped",
        "3:dropped",
        "0:closed",
        "1:event x",
        "1:dropped!",
    ] {
        let error = abort_everywhere(Trial::clone, leaky).only(case).explore();
        let text = error.unwrap_err().to_string();
        assert_eq!(text, format!("there is no case `{case}`"));
    }
}

#[test]
fn a_handler_that_is_never_suspended_is_an_error() {
    let error = abort_everywhere(Trial::clone, |_, _| ready(())).explore();
    assert_eq!(error.unwrap_err(), ExploreError::NeverSuspends);
}

#[test]
fn a_handler_that_waits_for_ever_is_idle() {
    let report = abort_everywhere(Trial::clone, |_, _| pending::<()>()).check();
    assert_eq!(report.points(), ["before its first poll", "suspension 1"]);
}

#[test]
fn a_handler_that_never_becomes_idle_is_an_error() {
    let handler = |trial: Trial, _| async move {
        loop {
            trial.point("again").await;
        }
    };
    let error = abort_everywhere(Trial::clone, handler)
        .max_polls(100)
        .explore();
    let expected = "the undisturbed run never becomes idle";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn what_a_handler_does_not_repeat_is_told_and_hides_nothing() {
    let runs = Rc::new(Cell::new(0));
    let server = move |trial: &Trial| {
        runs.set(runs.get() + 1);
        (trial.clone(), runs.get())
    };
    let handler = |(trial, run): (Trial, u32), _| async move {
        trial.ledger().acquire("session");
        trial.point("set up").await;
        trial.point(format!("in run {run}")).await;
        trial.ledger().release("session");
    };
    let report = abort_everywhere(server, handler).explore().unwrap();
    assert!(!report.is_clean());
    // The leak before it is found.
    let dropped = |failure: &&Failure| failure.point() == (1, "set up");
    let failure = report.failures().iter().find(dropped).unwrap();
    assert_eq!(failure.race(), Some(Race::R13), "{report}");
    // The cases at the point that differs were tried three times each.
    let [first, ..] = report.not_repeated() else {
        panic!("{report}");
    };
    assert_eq!(first.case(), "2:dropped");
    assert_eq!(first.expected(), (2, "in run 1"));
    assert!(first.seen().unwrap().starts_with("in run "), "{first}");
    let text = report.to_string();
    assert!(text.contains("without `biased;`"), "{text}");
    assert!(text.contains("a number that outlives the run"), "{text}");
}

#[test]
fn a_run_that_differs_once_is_tried_again() {
    let runs = Rc::new(Cell::new(0));
    let server = move |trial: &Trial| {
        runs.set(runs.get() + 1);
        (trial.clone(), runs.get())
    };
    let handler = |(trial, run): (Trial, u32), _| async move {
        if run % 5 == 2 {
            trial.point("a detour").await;
        }
        trial.point("set up").await;
    };
    abort_everywhere(server, handler).check();
}

#[test]
fn a_panic_of_the_handler_itself_is_a_fault() {
    let handler = |trial: Trial, _| async move {
        trial.point("wait").await;
        panic!("no user");
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    let undisturbed = &report.failures()[0];
    let Fault::Panicked { message, .. } = undisturbed.fault() else {
        panic!("{report}");
    };
    assert_eq!(message, "no user");
    assert_eq!((undisturbed.race(), undisturbed.ending()), (None, None));
}

#[test]
#[should_panic(expected = "`session` is left by the connection; dropped at point 2")]
fn check_panics_with_the_report() {
    abort_everywhere(Trial::clone, leaky).check();
}

#[test]
fn an_exploration_is_deterministic() {
    let text = || {
        abort_everywhere(Trial::clone, leaky)
            .explore()
            .unwrap()
            .to_string()
    };
    assert_eq!(text(), text());
}

#[test]
fn every_value_of_a_run_is_dropped() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let server = move |trial: &Trial| {
        let server = (trial.clone(), trial.signal("shutdown"), Arc::clone(&held));
        // Each of these values owns the server and is owned by it.
        let (in_task, in_listener) = (server.clone(), server.clone());
        trial.spawn(async move {
            let _spawns = OnDrop(|| {
                let kept = in_task.clone();
                in_task.0.spawn(async move { drop(kept) });
            });
            pending::<()>().await;
        });
        server.1.listen(move || drop(in_listener));
        server
    };
    let handler = |server: (Trial, Signal, Arc<()>), client: Client| async move {
        let kept = (server.clone(), client.clone());
        client.signal().listen(move || drop(kept));
        pending::<()>().await;
        drop(server);
    };
    drop(abort_everywhere(server, handler).explore().unwrap());
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_handler_that_panics_in_its_first_poll_is_a_fault() {
    let handler = |_: Trial, _| async { panic!("no such table") };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert_eq!((report.cases(), report.failing()), (1, 1));
    let expected = "user code panicked: no such table; undisturbed";
    assert_eq!(report.failures()[0].to_string(), expected);
}

#[test]
fn on_tokio_within_tokio_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let explored =
        runtime.block_on(async { abort_everywhere(Trial::clone, leaky).on_tokio().explore() });
    assert_eq!(explored.unwrap_err(), ExploreError::InsideRuntime);
}

#[test]
fn tasks_of_the_server_are_no_points() {
    let server = |trial: &Trial| {
        let task = trial.clone();
        trial.spawn(async move { task.point("of the server").await });
        trial.clone()
    };
    let report = abort_everywhere(server, leaky).explore().unwrap();
    let points = [
        "before its first poll",
        "look the user up",
        "tell the others",
    ];
    assert_eq!(report.points(), points);
}

#[test]
fn a_point_has_a_label() {
    let handler = |_: Trial, client: Client| async move {
        client.trial().point("look the user up").await;
        client.respond(stream::iter(["hello", "goodbye"])).await;
    };
    let report = abort_everywhere(Trial::clone, handler).check();
    let points = [
        "before its first poll",
        "look the user up",
        "the response head",
        "item 1",
        "item 2",
    ];
    assert_eq!(report.points(), points);

    let handler = |trial: Trial, _| async move {
        let task = trial.clone();
        trial.spawn(async move { task.point("look the user up").await });
        pending::<()>().await;
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    let points = [
        "before its first poll",
        "suspension 1",
        "a task at look the user up",
        "the end of a task",
    ];
    assert_eq!(report.points(), points);
}

#[test]
fn a_dropped_tick_is_not_woken() {
    let handler = |trial: Trial, _| async move {
        let mut timer = trial.timer("time-out");
        let answer = Box::pin(trial.point("ask"));
        drop(select(timer.tick(), answer).await);
        pending::<()>().await;
    };
    let report = abort_everywhere(Trial::clone, handler).check();
    let points = ["before its first poll", "ask", "timer time-out"];
    assert_eq!(report.points(), points);
}

#[test]
fn a_trial_a_signal_and_a_test_implement_debug() {
    let server = |trial: &Trial| {
        let signal = trial.signal("shutdown");
        signal.listen(|| ());
        let text = format!("{trial:?} {signal:?}");
        let expected = "Trial { ledger: Ledger { levels: {\"shutdown\": 1}, faults: [], .. }, .. } \
                        Signal { has_fired: false, listeners: 1 }";
        assert_eq!(text, expected);
        trial.clone()
    };
    let tried = abort_everywhere(server, leaky)
        .close(|_| ready(true))
        .event("ping", |_| ready(()))
        .resource("session", |_| 0);
    let expected = "AbortEverywhere { close: true, shutdown: false, events: 1, probes: 1, .. }";
    assert_eq!(format!("{tried:?}"), expected);
    assert!(tried.explore().is_ok());
}

#[test]
fn items_out_of_order_repeated_or_missing_are_faults() {
    for (items, expected) in [
        (&[1, 2, 3][..], None),
        (&[3], None),
        (&[1, 3], Some("item 3 follows item 1 directly")),
        (&[2, 3, 3], Some("item 3 arrives after item 3")),
        (&[2, 3, 2, 3], Some("item 2 arrives after item 3")),
        (
            &[1, 2],
            Some("item 2 was the last to arrive, and item 3 was published"),
        ),
    ] {
        let handler = move |trial: Trial, client: Client| async move {
            trial.ledger().published(3);
            trial.point("look the user up").await;
            for item in items {
                client.delivered(*item);
            }
            client.respond(stream::pending::<()>()).await;
        };
        let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
        let undisturbed = report.failures().iter().find(|it| it.ending().is_none());
        let text = undisturbed.map(|it| it.fault().to_string());
        assert_eq!(text.as_deref(), expected, "{items:?}: {report}");
    }
}

#[test]
fn the_variable_selects_a_case_if_it_exists() {
    let told = |case| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args([
            "--exact",
            "cases::check_panics_with_the_report",
            "--nocapture",
        ]);
        let output = test.env("HANGUP_CASE", case).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let alone = told("2:dropped");
    assert!(alone.contains("1 of 1 cases fail"), "{alone}");
    let elsewhere = told("7:closed");
    assert!(elsewhere.contains(" of 31 cases fail"), "{elsewhere}");
}

//! What a runtime with a paused clock hides, and what the kit says about it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures::stream;
use hangup::{CloseReason, Conflict, Registry, Scope};
use hangup_test::{
    AbortEverywhere, Client, Ending, Failure, Fault, Hint, Race, Report, Trial, abort_everywhere,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::on_drop::OnDrop;

fn hint(report: &Report) -> &Hint {
    let [hint] = report.hints() else {
        panic!("one hint: {report}");
    };
    hint
}

#[derive(Clone)]
struct App {
    trial: Trial,
    scope: Scope,
    workers: Registry<&'static str, ()>,
}

impl App {
    fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            scope: Scope::new(),
            workers: Registry::new(Conflict::Replace),
        }
    }

    async fn tell_router(&self, what: &'static str) {
        self.trial.point(what).await;
        match what {
            "resume" => self.trial.ledger().switch_on("router: ada"),
            _ => self.trial.ledger().switch_off("router: ada"),
        }
    }
}

/// A worker route on `hangup`, on a scope that has no runtime of its own. `scoped`: the last
/// step belongs to the connection.
fn worker(scoped: bool) -> AbortEverywhere<App> {
    let handler = move |app: App, client: Client| async move {
        let mut setup = app.scope.open()?.register()?;
        setup.take_over(&app.workers, "ada", ()).await?;
        let paused = app.clone();
        let pause = move || async move { paused.tell_router("pause").await };
        setup.on_close_async("pause", pause)?;
        let live = setup.go_live()?;
        client.live();
        if scoped {
            live.track(app.tell_router("resume")).await?;
        } else {
            app.tell_router("resume").await;
        }
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    abort_everywhere(App::new, handler)
        .on_tokio()
        .entry("workers", |app| app.workers.contains("ada"))
        .close(|app| async move { app.scope.close_all(CloseReason::Idle) > 0 })
        .shutdown(|app| async move { app.scope.drain(Duration::from_secs(5)).await })
}

#[test]
fn undos_that_hangup_spawns_run_in_both_orders() {
    let report = worker(false).explore().unwrap();
    assert!(report.races().contains(&Race::R6), "{report}");
    worker(true).check();
}

#[test]
fn a_panic_of_a_task_on_the_runtime_is_a_fault() {
    let handler = |_: Trial, client: Client| async move {
        let _flush = OnDrop(|| {
            tokio::spawn(async { panic!("cannot flush") });
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .on_tokio()
        .explore()
        .unwrap();
    let failure = &report.failures()[0];
    assert_eq!(
        failure.fault().to_string(),
        "user code panicked: cannot flush",
        "{report}"
    );
    assert_eq!(failure.race(), Some(Race::R12), "{report}");
    // Each case has its own panics.
    let undisturbed = report.failures().iter().filter(|it| it.ending().is_none());
    assert_eq!(undisturbed.count(), 0, "{report}");
}

/// Keeps a session for some time after the end.
fn with_grace(seconds: u64) -> AbortEverywhere<Trial> {
    let handler = move |trial: Trial, client: Client| async move {
        trial.ledger().acquire("session");
        let _later = OnDrop(|| {
            let ledger = trial.ledger().clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(seconds)).await;
                ledger.release("session");
            });
        });
        client.respond(stream::pending::<()>()).await;
    };
    abort_everywhere(Trial::clone, handler)
}

#[test]
fn a_patience_that_is_too_short_is_named_with_the_one_that_would_do() {
    with_grace(200).on_tokio().check();
    let report = with_grace(700).on_tokio().explore().unwrap();
    assert!(!report.is_clean());
    let &Hint::Patience {
        patience,
        enough,
        passes,
        ..
    } = hint(&report)
    else {
        panic!("{report}");
    };
    let (given, armed) = (Duration::from_secs(300), Duration::from_secs(700));
    assert_eq!((patience, passes), (given, report.failing()), "{report}");
    assert!(
        (armed..armed + Duration::from_secs(2)).contains(&enough),
        "{report}"
    );
    assert!(
        report
            .to_string()
            .contains("hint: the patience of 300s is too short"),
        "{report}"
    );
    with_grace(700).on_tokio_with_patience(enough).check();
}

#[test]
fn a_leak_has_no_hint() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().acquire("session");
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .on_tokio()
        .explore()
        .unwrap();
    assert!(!report.is_clean() && report.hints().is_empty(), "{report}");
    let handler = |_: Trial, _| async {
        tokio::spawn(pending::<()>());
        pending::<()>().await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .on_tokio()
        .explore()
        .unwrap();
    assert!(!report.is_clean() && report.hints().is_empty(), "{report}");
}

#[test]
fn code_that_compares_the_clock_of_the_system_is_named() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().acquire("session");
        let _later = OnDrop(|| {
            let (ledger, ended) = (trial.ledger().clone(), Instant::now());
            tokio::spawn(async move {
                // The paused clock lets the sleeps pass, and this one stands still.
                while ended.elapsed() < Duration::from_secs(60) {
                    sleep(Duration::from_secs(20)).await;
                }
                ledger.release("session");
            });
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .on_tokio()
        .explore()
        .unwrap();
    let Hint::Clock { fires, .. } = hint(&report) else {
        panic!("{report}");
    };
    assert!(*fires > 1000, "{report}");
    assert!(
        report.to_string().contains("`std::time::Instant`"),
        "{report}"
    );
    let left = |it: &Fault| matches!(it, Fault::Left { .. });
    assert!(
        report.failures().iter().all(|it| left(it.fault())),
        "{report}"
    );
}

#[test]
fn a_task_on_the_runtime_may_run_before_the_handler_goes_on() {
    type Actor = (Trial, Arc<AtomicBool>, UnboundedSender<()>);
    let server = |trial: &Trial| {
        let (killed, (sender, mut messages)) = (Arc::<AtomicBool>::default(), unbounded_channel());
        let kills = Arc::clone(&killed);
        tokio::spawn(async move {
            while messages.recv().await.is_some() {
                kills.store(true, SeqCst);
            }
        });
        (trial.clone(), killed, sender)
    };
    // It leaves its name if it is killed while it announces it.
    let handler = |(trial, killed, _): Actor, _| async move {
        trial.ledger().acquire("name");
        trial.point("announce").await;
        if !killed.load(SeqCst) {
            trial.ledger().release("name");
        }
        pending::<()>().await;
    };
    let kill = |(_, _, sender): Actor| async move { sender.send(()).unwrap() };
    let tried = abort_everywhere(server, handler).on_tokio();
    let report = tried.event("kill", kill).explore().unwrap();
    let killed = |it: &&Failure| matches!(it.ending(), Some(Ending::Event(_)));
    assert!(report.failures().iter().any(|it| killed(&it)), "{report}");
}

#[test]
fn a_task_is_spawned_on_the_thread_of_the_test_alone() {
    let trial = Trial::default();
    let spawned = std::thread::scope(|threads| {
        let elsewhere = threads.spawn(|| trial.spawn(async {}));
        elsewhere.join()
    });
    let message = spawned.unwrap_err();
    let message = message.downcast_ref::<&str>().unwrap();
    assert!(message.contains("on another thread"), "{message}");
}

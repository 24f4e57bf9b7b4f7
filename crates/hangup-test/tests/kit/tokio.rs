//! Handlers that spawn on a tokio runtime and use its timers.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use hangup::{CloseReason, Conflict, Registry, Scope};
use hangup_test::{Client, Race, Report, Trial, abort_everywhere};
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

fn races(report: &Report) -> Vec<Race> {
    report.races().into_iter().collect()
}

#[test]
fn a_handler_that_yields_to_the_runtime_goes_on() {
    let handler = |trial: Trial, _| async move {
        yield_now().await;
        sleep(Duration::from_secs(3600)).await;
        trial.point("an hour later").await;
    };
    let patience = Duration::from_secs(4000);
    let report = abort_everywhere(Trial::clone, handler).on_tokio_with_patience(patience);
    assert_eq!(report.check().points().last().unwrap(), "an hour later");
    let report = abort_everywhere(Trial::clone, handler).on_tokio().check();
    assert_eq!(report.points().last().unwrap(), "suspension 2");
}

#[test]
fn a_task_that_is_left_on_the_runtime_is_a_fault() {
    let handler = |_: Trial, _| async {
        tokio::spawn(pending::<()>());
        pending::<()>().await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .on_tokio()
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R3], "{report}");
    assert!(
        report
            .to_string()
            .contains("a task on the runtime is left running"),
        "{report}"
    );

    let handler = |_: Trial, _| async {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(pending::<()>());
        pending::<()>().await;
    };
    abort_everywhere(Trial::clone, handler).on_tokio().check();
}

#[test]
fn a_removal_that_is_spawned_is_lost_when_the_process_ends() {
    struct Remove(Trial);
    impl Drop for Remove {
        fn drop(&mut self) {
            let ledger = self.0.ledger().clone();
            tokio::spawn(async move { ledger.release("session") });
        }
    }
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().acquire("session");
        let _remove = Remove(trial.clone());
        // The task that fires the signal ends the response.
        let fired = client.signal().fired();
        client
            .respond(futures::stream::pending::<()>().take_until(fired))
            .await;
    };
    let report = abort_everywhere(Trial::clone, handler).on_tokio();
    let report = report.shutdown(|_| async {}).explore().unwrap();
    assert_eq!(races(&report), [Race::R13], "{report}");
}

#[derive(Clone)]
struct App {
    trial: Trial,
    scope: Scope,
    workers: Registry<&'static str, tokio::sync::mpsc::Sender<String>>,
    permits: Arc<tokio::sync::Semaphore>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl App {
    fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            scope: Scope::new(),
            workers: Registry::new(Conflict::Replace),
            permits: Arc::new(tokio::sync::Semaphore::new(8)),
            log: Arc::default(),
        }
    }

    async fn tell_router(&self, what: &'static str) {
        sleep(Duration::from_millis(3)).await;
        self.trial.point(what).await;
        if what == "resume" {
            self.trial.ledger().switch_on("router: ada");
        } else {
            self.trial.ledger().switch_off("router: ada");
        }
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One connection per worker, with everything that the tokio adapter has.
async fn worker_stream(app: App, client: Client) -> Outcome<Response> {
    let pending = app.scope.open()?.abort_on(client.signal().fired())?;
    let mut setup = pending.register()?;
    let (tx, rx) = tokio::sync::mpsc::channel(8);
    setup.hold(Arc::clone(&app.permits).acquire_owned().await?)?;
    setup.take_over(&app.workers, "ada", tx).await?;
    let paused = app.clone();
    setup.on_close_async(
        "undo",
        move || async move { paused.tell_router("pause").await },
    )?;
    setup.run(app.tell_router("resume")).await?;
    let live = setup.go_live()?;
    client.live();
    let _task = live.spawn(pending_with_a_timer());
    let events =
        ReceiverStream::new(rx).map(|data| Ok::<_, Infallible>(Event::default().data(data)));
    let events = live
        .stream(events)
        .heartbeat(Duration::from_secs(30), || Ok(Event::default().comment("")))
        .unwrap()
        .farewell(|end| Some(Ok(Event::default().data(end.reason().to_string()))));
    Ok(Sse::new(events).into_response())
}

async fn pending_with_a_timer() {
    loop {
        sleep(Duration::from_secs(50)).await;
    }
}

#[test]
fn a_worker_route_on_hangup_is_clean_on_tokio() {
    let connect = |app, client: Client| async move {
        if let Ok(response) = worker_stream(app, client.clone()).await {
            client
                .respond(response.into_body().into_data_stream())
                .await;
        }
    };
    let report = abort_everywhere(App::new, connect)
        .on_tokio()
        .entry("workers", |app| app.workers.contains("ada"))
        .permit("permits", |app| 8 - app.permits.available_permits())
        .resource("connections", |app| app.scope.handles().len())
        .close(|app| async move { app.scope.close_all(CloseReason::Idle) > 0 })
        .shutdown(|app| async move {
            app.scope.drain(Duration::from_secs(5)).await.unwrap();
            app.log.lock().unwrap().push("gone");
        })
        .event("a message", |app| async move {
            if let Some(ada) = app.workers.get("ada") {
                ada.try_send("hello".into()).unwrap();
            }
        })
        .check();
    assert!(report.points().len() >= 6, "{report}");
}

#[test]
fn an_unlimited_patience_is_accepted() {
    let handler = |_: Trial, _| pending::<()>();
    abort_everywhere(Trial::clone, handler)
        .on_tokio_with_patience(Duration::MAX)
        .check();
}

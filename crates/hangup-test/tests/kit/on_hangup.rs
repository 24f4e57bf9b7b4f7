//! Handlers on `hangup` in every style, in which the kit must find nothing.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex};

use futures::stream;
use hangup::{CloseReason, Conflict, Pending, Registry, Scope};
use hangup_test::{Client, Trial, abort_everywhere};

use crate::on_trial::OnTrial;

type Outcome = Result<(), Box<dyn Error>>;

#[derive(Clone)]
struct App {
    trial: Trial,
    scope: Scope,
    workers: Registry<&'static str, ()>,
    rooms: Registry<&'static str, ()>,
    /// The hooks of the registry switch this on and off.
    upstream: Arc<Mutex<bool>>,
}

impl App {
    fn open(&self) -> Result<Pending, Box<dyn Error>> {
        Ok(self.scope.open()?)
    }

    async fn wait(&self, label: &'static str) {
        self.trial.point(label).await;
    }
}

fn check<H, F>(conflict: Conflict, handler: H)
where
    H: Fn(App, Client) -> F + 'static,
    F: Future<Output = Outcome> + 'static,
{
    let server = move |trial: &Trial| {
        let upstream: Arc<Mutex<bool>> = Arc::default();
        let (on, off) = (Arc::clone(&upstream), Arc::clone(&upstream));
        let rooms = Registry::builder(Conflict::share(2))
            .on_first(move |_| *on.lock().unwrap() = true)
            .on_last(move |_| *off.lock().unwrap() = false)
            .build();
        App {
            trial: trial.clone(),
            scope: Scope::builder().runtime(OnTrial(trial.clone())).build(),
            workers: Registry::new(conflict),
            rooms,
            upstream,
        }
    };
    let report = abort_everywhere(server, handler)
        .entry("workers", |app| app.workers.contains("ada"))
        .entry("rooms", |app| app.rooms.contains("lobby"))
        .resource("upstream", |app| usize::from(*app.upstream.lock().unwrap()))
        .resource("connections", |app| app.scope.handles().len())
        .close(|app| async move { app.scope.close_all(CloseReason::Idle) > 0 })
        .shutdown(|app| async move {
            app.scope.begin_drain();
            app.scope.close_all(CloseReason::Shutdown);
            app.scope.drained().await;
        })
        .check();
    assert!(report.points().len() >= 3, "{report}");
}

#[test]
fn a_second_connection_under_the_key_may_be_refused() {
    check(Conflict::Reject, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.join(&app.workers, "ada", ())?;
        setup.hold(app.trial.ledger().permit("permit"))?;
        setup.run(app.wait("authenticate")).await?;
        let live = setup.go_live()?;
        client.live();
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok(())
    });
}

#[test]
fn a_second_connection_may_replace_the_first_when_live() {
    check(Conflict::Replace, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.join(&app.workers, "ada", ())?;
        setup.run(app.wait("authenticate")).await?;
        let live = setup.go_live()?;
        client.live();
        let events = live.stream(stream::pending());
        client.respond(events.farewell(Some)).await;
        Ok(())
    });
}

#[test]
fn a_take_over_with_a_deadline_may_share_a_room() {
    check(Conflict::Replace, |app, client| async move {
        let mut setup = app.open()?.register()?;
        let mut timer = app.trial.timer("deadline");
        let taking = setup.take_over(&app.workers, "ada", ());
        taking.deadline(timer.tick()).await?;
        drop(timer);
        setup.run(app.wait("authenticate")).await?;
        setup.join(&app.rooms, "lobby", ())?;
        setup.run(app.wait("load the backlog")).await?;
        let live = setup.go_live()?;
        client.live();
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok(())
    });
}

#[test]
fn a_step_may_finish_after_the_close() {
    check(Conflict::Replace, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.take_over(&app.workers, "ada", ()).await?;
        let ledger = app.trial.ledger().clone();
        let trial = app.trial.clone();
        let step = async move {
            trial.point("router: register").await;
            trial.ledger().switch_on("router: ada");
            trial.point("router: resume").await;
        };
        let off = move || ledger.switch_off("router: ada");
        setup.finish("resume", step).undo(off).await?;
        let live = setup.go_live()?;
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok(())
    });
}

#[test]
fn a_loop_may_run_in_the_connection() {
    check(Conflict::Reject, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.join(&app.workers, "ada", ())?;
        setup.run(app.wait("upgrade")).await?;
        let live = setup.go_live()?;
        client.live();
        let trial = app.trial.clone();
        let messages = async move {
            let mut timer = trial.timer("ping");
            loop {
                timer.tick().await;
                trial.point("write a ping").await;
            }
        };
        Ok(live.run(messages).await.map_err(hangup::Closed::from)?)
    });
}

#[test]
fn tasks_may_belong_to_a_connection() {
    check(Conflict::Reject, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.join(&app.rooms, "lobby", ())?;
        let trial = app.trial.clone();
        let poller = async move {
            let mut timer = trial.timer("poll");
            loop {
                timer.tick().await;
                let _request = trial.ledger().hold("request");
                trial.point("ask").await;
            }
        };
        drop(setup.spawn(poller));
        setup.run(app.wait("authenticate")).await?;
        let live = setup.go_live()?;
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok(())
    });
}

#[test]
fn undos_may_be_asynchronous() {
    check(Conflict::Replace, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.take_over(&app.workers, "ada", ()).await?;
        for name in ["lease", "subscription", "session"] {
            let trial = app.trial.clone();
            let undo = move || async move {
                trial.point(format!("give back the {name}")).await;
                trial.ledger().switch_off(name);
            };
            setup.on_close_async(name, undo)?;
            let trial = app.trial.clone();
            let step = async move {
                trial.point(name).await;
                trial.ledger().switch_on(name);
            };
            setup.run(step).await?;
        }
        let live = setup.go_live()?;
        client.live();
        client.respond(live.stream(stream::pending::<()>())).await;
        Ok(())
    });
}

#[test]
fn a_response_may_end_on_hangup() {
    check(Conflict::Replace, |app, client| async move {
        let mut setup = app.open()?.register()?;
        setup.join(&app.workers, "ada", ())?;
        setup.hold(app.trial.ledger().hold("file"))?;
        let live = setup.go_live()?;
        client.respond(live.stream(stream::iter([1, 2, 3]))).await;
        Ok(())
    });
}

//! An actor of kameo that is registered under a name.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::{Infallible, RegistryError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

const NAMED: Row = Row::new(
    "kameo",
    "`register` of an actor that is killed during the set-up",
);

/// Writes to its connection as long as it lives.
struct Writer {
    _events: mpsc::Sender<u32>,
}

impl Actor for Writer {
    type Args = mpsc::Sender<u32>;
    type Error = Infallible;

    async fn on_start(events: Self::Args, _: ActorRef<Self>) -> Result<Self, Infallible> {
        let _: Result<_, _> = events.send(1).await;
        Ok(Self { _events: events })
    }
}

struct KillOnDrop(ActorRef<Writer>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

#[derive(Clone)]
struct App {
    /// The registry of names is global.
    name: String,
    actors: Arc<Mutex<Vec<ActorRef<Writer>>>>,
}

impl App {
    fn new(_: &Trial) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        Self {
            name: format!("ada {}", RUNS.fetch_add(1, SeqCst)),
            actors: Arc::default(),
        }
    }

    fn names(&self) -> usize {
        ["First", "Newcomer"]
            .iter()
            .filter(|party| {
                let name = format!("{} {party}", self.name);
                ActorRef::<Writer>::lookup(name.as_str()).unwrap().is_some()
            })
            .count()
    }
}

#[test]
fn a_dead_actor_is_registered() {
    let connect = |app: App, client: Client| async move {
        let (events, body) = mpsc::channel(8);
        let actor = Writer::spawn(events);
        app.actors.lock().unwrap().push(actor.clone());
        let _kill = KillOnDrop(actor.clone());
        // A query of a database: the tasks of the runtime run in between.
        sleep(Duration::from_millis(20)).await;
        let name = format!("{} {:?}", app.name, client.party());
        actor.register(name).unwrap();
        client.respond(ReceiverStream::new(body)).await;
    };
    let report = abort_everywhere(App::new, connect)
        .resource("names", App::names)
        .close(|app| async move {
            let actors = app.actors.lock().unwrap();
            actors.iter().for_each(ActorRef::kill);
            !actors.is_empty()
        })
        .on_tokio()
        .explore()
        .unwrap();
    NAMED.found(&report, |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_dead_actor_is_registered_without_the_kit() {
    let (events, _body) = mpsc::channel(8);
    let dead = Writer::spawn(events.clone());
    dead.kill();
    dead.wait_for_shutdown().await;
    dead.register("bob").unwrap();
    let found = ActorRef::<Writer>::lookup("bob").unwrap().unwrap();
    assert!(!found.is_alive());
    // The name is taken for ever.
    let next = Writer::spawn(events);
    let refused = next.register("bob");
    assert!(matches!(refused, Err(RegistryError::NameAlreadyRegistered)));
    NAMED.confirmed();
}

//! A named actor of ractor for each connection.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hangup_test::{Client, Trial, abort_everywhere};
use hangup_wild::Row;
use ractor::registry::where_is;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const NAMED: Row = Row::new(
    "ractor",
    "`Actor::spawn` with a name and an async `pre_start`",
);

/// Writes to its connection as long as it lives.
struct Writer(Trial);

impl Actor for Writer {
    type Msg = ();
    type State = mpsc::Sender<u32>;
    type Arguments = mpsc::Sender<u32>;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        events: mpsc::Sender<u32>,
    ) -> Result<Self::State, ActorProcessingErr> {
        self.0.point("load the backlog").await;
        events.send(1).await?;
        Ok(events)
    }
}

struct StopOnDrop(ActorRef<()>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(None);
    }
}

#[derive(Clone)]
struct App {
    trial: Trial,
    /// The registry of names is global.
    name: String,
}

#[test]
fn a_name_is_free_after_its_connection() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let server = |trial: &Trial| App {
        trial: trial.clone(),
        name: format!("ada {}", RUNS.fetch_add(1, SeqCst)),
    };
    let connect = |app: App, client: Client| async move {
        let (events, body) = mpsc::channel(8);
        let name = format!("{} {:?}", app.name, client.party());
        let writer = Writer(app.trial.clone());
        let Ok((actor, _)) = Actor::spawn(Some(name), writer, events).await else {
            return; // a panic in `pre_start` is an error here
        };
        let _stop = StopOnDrop(actor);
        client.respond(ReceiverStream::new(body)).await;
    };
    let names = |app: &App| {
        let all = ["First", "Newcomer"].map(|party| format!("{} {party}", app.name));
        all.iter().filter(|name| where_is(name).is_some()).count()
    };
    let report = abort_everywhere(server, connect)
        .resource("names", names)
        .close(move |app| async move {
            let all = ["First", "Newcomer"].map(|party| format!("{} {party}", app.name));
            let actors: Vec<_> = all.iter().filter_map(where_is).collect();
            actors.iter().for_each(|actor| actor.stop(None));
            !actors.is_empty()
        })
        .on_tokio()
        .explore()
        .unwrap();
    NAMED.clean(&report, 50);
}

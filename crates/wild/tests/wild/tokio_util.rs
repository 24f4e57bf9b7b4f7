//! Tasks of connections in the two collections of tokio-util.

use std::future::pending;
use std::sync::{Arc, Mutex};

use hangup_test::{Client, Fault, Kind, Trial, abort_everywhere};
use hangup_wild::Row;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{JoinMap, TaskTracker};

use crate::idle::all_idle;

const TRACKER: Row = Row::known(
    8,
    "tokio-util",
    "`TaskTracker`: close and wait with open streams",
);
const TOKENS: Row = Row::new(
    "tokio-util",
    "`TaskTracker` with a `CancellationToken` that is looked at before the spawn",
);
const MAP: Row = Row::known(9, "tokio-util", "`JoinMap`: one task a key, nothing joins");

/// Runs as long as the client reads.
async fn feed(events: mpsc::Sender<u32>) {
    let _: Result<_, _> = events.send(1).await;
    events.closed().await;
}

#[test]
fn a_tracker_never_finishes_waiting() {
    let connect = |tracker: TaskTracker, client: Client| async move {
        let (events, body) = mpsc::channel(1);
        tracker.spawn(feed(events));
        client.respond(ReceiverStream::new(body)).await;
    };
    let report = abort_everywhere(|_: &Trial| TaskTracker::new(), connect)
        .resource("tracked tasks", TaskTracker::len)
        .shutdown(|tracker| async move {
            tracker.close();
            tracker.wait().await;
        })
        .on_tokio()
        .explore()
        .unwrap();
    TRACKER.found(&report, |fault| matches!(fault, Fault::NeverExits));
}

#[tokio::test(start_paused = true)]
async fn a_tracker_never_finishes_waiting_without_the_kit() {
    let tracker = TaskTracker::new();
    let (events, body) = mpsc::channel(1);
    tracker.spawn(feed(events));
    assert!(tracker.close());
    let mut waiting = tokio_test::task::spawn(tracker.wait());
    assert!(waiting.poll().is_pending());
    all_idle().await;
    assert!(!waiting.is_woken());
    // It is closed, and takes another one.
    tracker.spawn(pending::<()>());
    assert_eq!(tracker.len(), 2);
    drop(body);
    all_idle().await;
    assert!(waiting.poll().is_pending(), "the late task holds it");
    TRACKER.confirmed();
}

#[test]
fn a_tracker_with_a_token_is_clean() {
    type App = (Trial, TaskTracker, CancellationToken);
    let server = |trial: &Trial| {
        let ending = CancellationToken::new();
        (trial.clone(), TaskTracker::new(), ending)
    };
    let connect = |(trial, tracker, ending): App, client: Client| async move {
        trial.point("authenticate").await;
        if ending.is_cancelled() {
            return; // a tracker that is closed would take it
        }
        let (events, body) = mpsc::channel(1);
        tracker.spawn(ending.run_until_cancelled_owned(feed(events)));
        client.respond(ReceiverStream::new(body)).await;
    };
    let report = abort_everywhere(server, connect)
        .resource("tracked tasks", |(_, tracker, _)| tracker.len())
        .shutdown(|(_, tracker, ending)| async move {
            ending.cancel();
            tracker.close();
            tracker.wait().await;
        })
        .on_tokio()
        .explore()
        .unwrap();
    TOKENS.clean(&report, 50);
}

type Tasks = Arc<Mutex<JoinMap<&'static str, ()>>>;

#[test]
fn a_key_stays_after_its_task() {
    let connect = |tasks: Tasks, client: Client| async move {
        let (events, body) = mpsc::channel(1);
        tasks.lock().unwrap().spawn("ada", feed(events));
        client.respond(ReceiverStream::new(body)).await;
    };
    let report = abort_everywhere(|_: &Trial| Tasks::default(), connect)
        .entry("tasks", |tasks| tasks.lock().unwrap().contains_key("ada"))
        .on_tokio()
        .explore()
        .unwrap();
    let entry = |fault: &Fault| {
        matches!(
            fault,
            Fault::Left {
                kind: Kind::Entry,
                ..
            }
        )
    };
    MAP.found(&report, entry);
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_after_its_task_without_the_kit() {
    let mut tasks = JoinMap::new();
    let (events, body) = mpsc::channel(1);
    tasks.spawn("ada", feed(events.clone()));
    drop(body);
    events.closed().await;
    all_idle().await;
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(alive, 0);
    assert!(tasks.contains_key("ada"));
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks.join_next().await.map(|(key, _)| key), Some("ada"));
    assert!(!tasks.contains_key("ada"));
    MAP.confirmed();
}

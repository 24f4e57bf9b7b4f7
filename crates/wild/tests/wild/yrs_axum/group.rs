//! A subscription of a broadcast group, which "can be dropped in order to unsubscribe".

use std::convert::Infallible;
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use hangup_test::{Client, Fault, Kind, Trial, abort_everywhere};
use hangup_wild::Row;
use tokio::sync::{Mutex, RwLock, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;
use yrs::Doc;
use yrs::sync::Awareness;
use yrs_axum::broadcast::{BroadcastGroup, Subscription};

use crate::idle::all_idle;

const GROUP: Row = Row::new("yrs-axum", "`BroadcastGroup`: a subscription is dropped");

async fn group() -> Arc<BroadcastGroup> {
    let awareness = Awareness::new(Doc::with_client_id(1));
    Arc::new(BroadcastGroup::new(Arc::new(RwLock::new(awareness)), 8).await)
}

/// Subscribes a client that reads and says nothing.
fn subscribe(group: &BroadcastGroup) -> (Subscription, mpsc::Receiver<Vec<u8>>) {
    let (writer, messages) = mpsc::channel(8);
    let writer = Arc::new(Mutex::new(PollSender::new(writer)));
    let silence = stream::pending::<Result<Vec<u8>, Infallible>>();
    (group.subscribe(writer, silence), messages)
}

#[test]
fn a_dropped_subscription_goes_on() {
    let server = |trial: &Trial| (trial.clone(), group().now_or_never().unwrap());
    type App = (Trial, Arc<BroadcastGroup>);
    let connect = |(trial, group): App, client: Client| async move {
        trial.point("authenticate").await;
        let (subscription, messages) = subscribe(&group);
        client.respond(ReceiverStream::new(messages)).await;
        drop(subscription);
    };
    let report = abort_everywhere(server, connect)
        .on_tokio()
        .explore()
        .unwrap();
    let task = |fault: &Fault| {
        matches!(
            fault,
            Fault::Left {
                kind: Kind::Task,
                ..
            }
        )
    };
    GROUP.found(&report, task);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_goes_on_without_the_kit() {
    let group = group().await;
    all_idle().await;
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    let (subscription, messages) = subscribe(&group);
    drop(subscription);
    group.broadcast(b"hello".to_vec()).unwrap();
    let mut messages = ReceiverStream::new(messages);
    assert_eq!(messages.next().await.unwrap(), b"hello");
    drop(messages);
    // Two tasks for each client that was ever there; one of them ends at the next message.
    all_idle().await;
    assert_eq!(alive(), before + 2);
    group.broadcast(b"hello".to_vec()).unwrap();
    all_idle().await;
    assert_eq!(alive(), before + 1);
    GROUP.confirmed();
}

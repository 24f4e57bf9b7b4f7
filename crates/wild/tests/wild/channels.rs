//! Channels that count their receivers.

use async_broadcast::{InactiveReceiver, Sender};
use eyeball::SharedObservable;
use futures::StreamExt;
use hangup_test::{Client, Trial, abort_everywhere};
use hangup_wild::Row;

const BROADCAST: Row = Row::new("async-broadcast", "a receiver for each client, and `close`");
const OBSERVABLE: Row = Row::new(
    "eyeball",
    "a subscriber of `SharedObservable` for each client",
);

#[derive(Clone)]
struct App {
    trial: Trial,
    news: Sender<u64>,
    _keeps_open: InactiveReceiver<u64>,
}

#[test]
fn async_broadcast_is_clean() {
    let server = |trial: &Trial| {
        let (mut news, receiver) = async_broadcast::broadcast(4);
        news.set_overflow(true);
        trial.ledger().published(1);
        App {
            trial: trial.clone(),
            news,
            _keeps_open: receiver.deactivate(),
        }
    };
    let connect = |app: App, client: Client| async move {
        app.trial.point("authenticate").await;
        let receiver = app.news.new_receiver();
        client.respond(receiver).await;
    };
    let report = abort_everywhere(server, connect)
        .resource("receivers", |app| app.news.receiver_count())
        .event("a number", |app| async move {
            let _: Result<_, _> = app.news.broadcast(2).await;
        })
        .close(|app| async move {
            let any = app.news.receiver_count() > 0;
            app.news.close();
            any
        })
        .explore()
        .unwrap();
    BROADCAST.clean(&report, 50);
}

#[test]
fn eyeball_is_clean() {
    type App = (Trial, SharedObservable<u64>);
    let server = |trial: &Trial| {
        trial.ledger().published(1);
        (trial.clone(), SharedObservable::new(1))
    };
    let connect = |(trial, number): App, client: Client| async move {
        trial.point("authenticate").await;
        let seen = client.clone();
        let numbers = number.subscribe_reset();
        client
            .respond(numbers.inspect(move |number| seen.delivered(*number)))
            .await;
    };
    let report = abort_everywhere(server, connect)
        .resource("subscribers", |(_, number)| number.subscriber_count())
        .event("a number", |(trial, number)| async move {
            let next = number.get() + 1;
            trial.ledger().published(next);
            number.set(next);
        })
        .explore()
        .unwrap();
    OBSERVABLE.clean(&report, 50);
}

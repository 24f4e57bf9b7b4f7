//! The loop of a subscription of jsonrpsee.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hangup_test::{Client, Fault, Report, Trial, abort_everywhere};
use hangup_wild::Row;
use jsonrpsee::RpcModule;
use jsonrpsee::core::{SubscriptionError, to_json_raw_value};
use jsonrpsee::types::SubscriptionId;
use tokio::sync::broadcast;
use tokio_stream::wrappers::ReceiverStream;

use crate::idle::all_idle;

const LOOP: Row = Row::known(
    7,
    "jsonrpsee",
    "a subscription: accept, add to a set, forward a broadcast until a send fails",
);

const SELECT: Row = Row::new("jsonrpsee", "the same loop, with `closed` in a `select!`");

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","method":"news","id":0}"#;

struct Feed {
    subscribers: Mutex<BTreeSet<String>>,
    news: broadcast::Sender<u32>,
}

#[derive(Clone)]
struct App {
    feed: Arc<Feed>,
    module: RpcModule<Arc<Feed>>,
}

impl App {
    /// `notices` is whether the loop listens for the close, too.
    fn new(notices: bool) -> Self {
        let feed = Arc::new(Feed {
            subscribers: Mutex::default(),
            news: broadcast::Sender::new(8),
        });
        let mut module = RpcModule::new(Arc::clone(&feed));
        module
            .register_subscription(
                "news",
                "item",
                "no_news",
                move |_, pending, feed, _| async move {
                    let sink = pending.accept().await?;
                    let id = match sink.subscription_id() {
                        SubscriptionId::Num(number) => number.to_string(),
                        SubscriptionId::Str(text) => text.into_owned(),
                    };
                    let mut news = feed.news.subscribe();
                    feed.subscribers.lock().unwrap().insert(id.clone());
                    loop {
                        let number = tokio::select! {
                            biased;
                            () = sink.closed(), if notices => break,
                            number = news.recv() => number?,
                        };
                        if sink.send(to_json_raw_value(&number)?).await.is_err() {
                            break;
                        }
                    }
                    feed.subscribers.lock().unwrap().remove(&id);
                    Ok::<_, SubscriptionError>(())
                },
            )
            .unwrap();
        Self { feed, module }
    }

    fn subscribers(&self) -> usize {
        self.feed.subscribers.lock().unwrap().len()
    }
}

fn explore(notices: bool) -> Report {
    let connect = |app: App, client: Client| async move {
        let (_, items) = app.module.raw_json_request(SUBSCRIBE, 8).await.unwrap();
        client.respond(ReceiverStream::new(items)).await;
    };
    abort_everywhere(move |_: &Trial| App::new(notices), connect)
        .resource("subscribers", App::subscribers)
        .event("an item", |app| async move {
            let _: Result<_, _> = app.feed.news.send(1);
        })
        .on_tokio()
        .explore()
        .unwrap()
}

#[test]
fn a_subscriber_goes_if_the_loop_listens() {
    SELECT.clean(&explore(true), 40);
}

#[test]
fn a_subscriber_stays_until_the_next_item() {
    LOOP.found(&explore(false), |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_stays_until_the_next_item_without_the_kit() {
    let app = App::new(false);
    let (_, mut items) = app.module.raw_json_request(SUBSCRIBE, 8).await.unwrap();
    all_idle().await;
    app.feed.news.send(1).unwrap();
    assert!(items.recv().await.is_some());
    drop(items);
    all_idle().await;
    assert_eq!(app.subscribers(), 1, "the client is gone");
    assert_eq!(app.feed.news.receiver_count(), 1);
    app.feed.news.send(2).unwrap();
    all_idle().await;
    assert_eq!(app.subscribers(), 0);
    LOOP.confirmed();
}

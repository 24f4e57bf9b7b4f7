//! A server that broadcasts numbers, for crates that turn a stream into a response.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hangup_test::{Client, Report, Trial, abort_everywhere};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::stage::Stage;

/// What a subscriber receives: the newest number, then each later one.
pub(crate) type Numbers = Pin<Box<dyn Stream<Item = u64> + Send + Sync>>;

#[derive(Clone)]
pub(crate) struct Feed {
    stage: Stage,
    state: Arc<Mutex<State>>,
}

struct State {
    newest: u64,
    /// `None` after the close.
    news: Option<broadcast::Sender<u64>>,
}

impl Feed {
    pub(crate) fn of(trial: &Trial) -> Self {
        Self::new(Stage::of(trial))
    }

    pub(crate) fn new(stage: Stage) -> Self {
        stage.published(1);
        let news = Some(broadcast::Sender::new(16));
        let state = Arc::new(Mutex::new(State { newest: 1, news }));
        Self { stage, state }
    }

    pub(crate) async fn subscribe(&self) -> Numbers {
        self.stage.call("authenticate").await;
        self.numbers()
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let state = self.state.lock().unwrap();
        let newest = stream::iter([state.newest]);
        match &state.news {
            None => Box::pin(newest),
            Some(news) => {
                let later = BroadcastStream::new(news.subscribe());
                Box::pin(newest.chain(later.map(Result::unwrap)))
            }
        }
    }

    pub(crate) fn subscribers(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.news.as_ref().map_or(0, |news| news.receiver_count())
    }

    pub(crate) fn publish(&self) {
        let mut state = self.state.lock().unwrap();
        state.newest += 1;
        self.stage.published(state.newest);
        let newest = state.newest;
        if let Some(news) = &state.news {
            let _: Result<_, _> = news.send(newest);
        }
    }

    /// Ends the streams. Returns whether there was one.
    pub(crate) fn close(&self) -> bool {
        let any = self.subscribers() > 0;
        self.state.lock().unwrap().news = None;
        any
    }
}

/// Explores the response that `respond` makes of the numbers.
pub(crate) fn explore<F, S>(respond: impl Fn(Numbers) -> F + 'static) -> Report
where
    F: Future<Output = S> + 'static,
    S: Stream<Item = Bytes> + 'static,
{
    let respond = Arc::new(respond);
    let connect = move |feed: Feed, client: Client| {
        let respond = Arc::clone(&respond);
        async move {
            let body = respond(feed.subscribe().await).await;
            let seen = client.clone();
            let body = body.inspect(move |bytes| {
                if let Some(number) = number(bytes) {
                    seen.delivered(number);
                }
            });
            client.respond(body).await;
        }
    };
    abort_everywhere(Feed::of, connect)
        .resource("subscribers", Feed::subscribers)
        .event("a number", |feed| async move { feed.publish() })
        .close(|feed| async move { feed.close() })
        .on_tokio()
        .explore()
        .unwrap()
}

/// The number in a part of a response; a heartbeat has none.
fn number(bytes: &Bytes) -> Option<u64> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut digits = text.split(|it: char| !it.is_ascii_digit());
    digits.rfind(|it| !it.is_empty())?.parse().ok()
}

/// The clean rows of [`explore`] are worth as much as what it finds here.
#[test]
fn a_forwarder_that_ignores_its_client_is_found() {
    let report = explore(|mut numbers| async move {
        let (writer, body) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(number) = numbers.next().await {
                let _: Result<_, _> = writer.send(Bytes::from(number.to_string()));
            }
        });
        tokio_stream::wrappers::UnboundedReceiverStream::new(body)
    });
    assert!(!report.is_clean());
}

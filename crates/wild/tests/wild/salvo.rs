//! The responses of salvo, and its limit of concurrency.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use salvo::concurrency_limiter::{MaxConcurrency, max_concurrency};
use salvo::sse::{SseEvent, SseKeepAlive};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use crate::feed::{self, Feed, Numbers};
use crate::stage::Stage;

const SSE: Row = Row::new("salvo", "`SseKeepAlive` over a broadcast");
const LIMIT: Row = Row::new("salvo", "`max_concurrency(1)` around a stream");

fn events(numbers: Numbers) -> Response {
    let events = numbers.map(|it| Ok::<_, Infallible>(SseEvent::default().text(it.to_string())));
    let mut response = Response::new();
    SseKeepAlive::new(events).stream(&mut response);
    response
}

fn bytes_of(mut response: Response) -> impl Stream<Item = Bytes> {
    response
        .take_body()
        .map(|frame| frame.unwrap().into_data().unwrap())
}

#[test]
fn events_are_clean() {
    let report = feed::explore(|numbers| async { bytes_of(events(numbers)) });
    SSE.clean(&report, 150);
}

/// Streams the numbers.
struct Numbered(Feed);

#[async_trait]
impl Handler for Numbered {
    async fn handle(
        &self,
        _: &mut Request,
        _: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        *response = events(self.0.subscribe().await);
    }
}

#[derive(Clone)]
struct App {
    feed: Feed,
    limit: Arc<MaxConcurrency>,
}

impl App {
    fn new(stage: Stage) -> Self {
        Self {
            feed: Feed::new(stage),
            limit: Arc::new(max_concurrency(1)),
        }
    }

    async fn request(&self) -> Response {
        let handlers: Vec<Arc<dyn Handler>> =
            vec![self.limit.clone(), Arc::new(Numbered(self.feed.clone()))];
        let (mut request, mut depot, mut response) =
            (Request::new(), Depot::new(), Response::new());
        FlowCtrl::new(handlers)
            .call_next(&mut request, &mut depot, &mut response)
            .await;
        response
    }
}

#[test]
fn the_limit_counts_handlers() {
    let connect = |app: App, client: Client| async move {
        let response = app.request().await;
        // A refusal is no stream.
        if response.status_code.is_none_or(|it| it.is_success()) {
            client.respond(bytes_of(response)).await;
        }
    };
    let report = abort_everywhere(|trial: &Trial| App::new(Stage::of(trial)), connect)
        .resource("streams", |app| app.feed.subscribers())
        .at_most(1, "streams")
        .on_tokio()
        .explore()
        .unwrap();
    LIMIT.found(&report, |fault| matches!(fault, Fault::OverCap { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_handlers_without_the_kit() {
    let app = App::new(Stage::without_the_kit());
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(Box::pin(bytes_of(app.request().await)));
    }
    assert_eq!(app.feed.subscribers(), 10);
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap(), "data: 1\n\n");
    }
    LIMIT.confirmed();
}

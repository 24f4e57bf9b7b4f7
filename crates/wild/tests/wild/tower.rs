//! The limit of concurrency of tower, around a handler that streams.

use std::convert::Infallible;
use std::sync::Arc;

use futures::StreamExt;
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::feed::{Feed, Numbers};
use crate::stage::Stage;

const LIMIT: Row = Row::new("tower", "`GlobalConcurrencyLimitLayer` around a stream");

#[derive(Clone)]
struct App {
    feed: Feed,
    permits: Arc<Semaphore>,
}

impl App {
    fn new(stage: Stage) -> Self {
        Self {
            feed: Feed::new(stage),
            permits: Arc::new(Semaphore::new(8)),
        }
    }

    fn service(&self) -> impl Service<(), Response = Numbers, Error = Infallible> + use<> {
        let feed = self.feed.clone();
        ServiceBuilder::new()
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(
                &self.permits,
            )))
            .service(service_fn(move |()| {
                let feed = feed.clone();
                async move { Ok(feed.subscribe().await) }
            }))
    }

    fn held(&self) -> usize {
        8 - self.permits.available_permits()
    }
}

#[test]
fn the_permit_is_released_at_the_response_head() {
    let connect = |app: App, client: Client| async move {
        let numbers = app.service().oneshot(()).await.unwrap();
        client.respond(numbers).await;
    };
    let report = abort_everywhere(|trial: &Trial| App::new(Stage::of(trial)), connect)
        .permit("permits", App::held)
        .on_tokio()
        .explore()
        .unwrap();
    LIMIT.found(&report, |fault| {
        matches!(fault, Fault::WithoutPermit { .. })
    });
}

#[tokio::test]
async fn the_permit_is_released_at_the_response_head_without_the_kit() {
    let app = App::new(Stage::without_the_kit());
    let mut streams = Vec::new();
    // The cap is 8.
    for _ in 0..20 {
        streams.push(app.service().oneshot(()).await.unwrap());
    }
    assert_eq!(app.held(), 0);
    assert_eq!(app.feed.subscribers(), 20);
    for stream in &mut streams {
        assert_eq!(stream.next().await, Some(1));
    }
    LIMIT.confirmed();
}

//! A reload of tower-livereload, at each point of the stream that waits for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use futures::FutureExt;
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_livereload::{LiveReloadLayer, Reloader};

use crate::stage::Stage;

const RELOAD: Row = Row::new("tower-livereload", "a reload, and a page that waits for it");

#[derive(Clone)]
struct App {
    stage: Stage,
    layer: LiveReloadLayer,
    reloader: Reloader,
    version: Arc<AtomicU64>,
}

impl App {
    fn new(stage: Stage) -> Self {
        let layer = LiveReloadLayer::new();
        stage.published(1);
        Self {
            stage,
            reloader: layer.reloader(),
            layer,
            version: Arc::new(AtomicU64::new(1)),
        }
    }

    /// The events of a page.
    async fn events(&self) -> impl Body<Data = Bytes, Error: std::fmt::Debug> + use<> {
        let page = |_: Request<Empty<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        };
        let service = ServiceBuilder::new()
            .layer(self.layer.clone())
            .service(service_fn(page));
        let request = Request::get("/_tower-livereload/event-stream")
            .body(Empty::new())
            .unwrap();
        service.oneshot(request).await.unwrap().into_body()
    }

    fn reload(&self) {
        let version = self.version.fetch_add(1, SeqCst) + 1;
        self.stage.published(version);
        self.reloader.reload();
    }
}

#[test]
fn a_reload_before_the_first_read_is_lost() {
    let connect = |app: App, client: Client| async move {
        loop {
            // The page is loaded, and asks for the events. They end with a reload.
            client.delivered(app.version.load(SeqCst));
            let events = app.events().await;
            client.respond(events.into_data_stream()).await;
        }
    };
    let report = abort_everywhere(|trial: &Trial| App::new(Stage::of(trial)), connect)
        .event("a reload", |app| async move { app.reload() })
        .explore()
        .unwrap();
    RELOAD.found(&report, |fault| matches!(fault, Fault::Undelivered { .. }));
    let lost = report.failures().iter().map(|it| it.point().1);
    assert!(lost.into_iter().all(|label| label == "the response head"));
}

#[test]
fn a_reload_before_the_first_read_is_lost_without_the_kit() {
    let app = App::new(Stage::without_the_kit());
    let mut early = Box::pin(app.events().now_or_never().unwrap());
    let mut late = Box::pin(app.events().now_or_never().unwrap());
    let text = |frame: Option<Result<http_body::Frame<Bytes>, _>>| {
        frame.unwrap().unwrap().into_data().unwrap()
    };
    let init = text(early.frame().now_or_never().unwrap());
    assert!(init.starts_with(b"event: init"));
    app.reload();
    let reload = text(early.frame().now_or_never().unwrap());
    assert!(reload.starts_with(b"event: reload"));
    // The response existed before the reload, too.
    let init = text(late.frame().now_or_never().unwrap());
    assert!(init.starts_with(b"event: init"));
    assert!(late.frame().now_or_never().is_none());
    RELOAD.confirmed();
}

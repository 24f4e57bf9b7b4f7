//! A scope with a console, and its clients.

use std::time::{Duration, Instant};

use axum::body::Body;
use hangup::{Conflict, Live, Registry, Scope, ScopeBuilder};
use hangup_console::{Console, ConsoleBody, ConsoleBuilder, ConsoleObserver};
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;
use tower::ServiceExt;

/// For what must happen: far more than it takes.
const SOON: Duration = Duration::from_secs(20);

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) struct World {
    pub(crate) scope: Scope,
    pub(crate) workers: Registry<String, ()>,
    pub(crate) console: Console,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|scope| scope, |console| console.allow(|_| true))
    }

    pub(crate) fn with(
        scope: impl FnOnce(ScopeBuilder) -> ScopeBuilder,
        console: impl FnOnce(ConsoleBuilder) -> ConsoleBuilder,
    ) -> Self {
        let observer = ConsoleObserver::remembering(3);
        let builder = Scope::builder().observer(observer.clone());
        let scope = scope(builder.clock(Instant::now)).build();
        let share = Conflict::share(9);
        Self {
            workers: Registry::builder(share).name("workers").build(),
            console: console(Console::builder(scope.clone()).observer(&observer)).build(),
            scope,
        }
    }

    /// A connection with this label, under this key.
    pub(crate) fn open(&self, label: &str, key: &str) -> Live {
        let mut pending = self.scope.open().unwrap();
        pending.label(label);
        let mut setup = pending.register().unwrap();
        setup.join(&self.workers, key.to_owned(), ()).unwrap();
        setup.go_live().unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<ConsoleBody> {
        self.console.service().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<ConsoleBody> {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Response<ConsoleBody> {
        let request = Request::post(path).header(CONTENT_TYPE, FORM);
        self.send(request.body(form.to_owned().into()).unwrap())
            .await
    }

    pub(crate) async fn events(&self, query: &str) -> Events {
        let answer = self.get(&format!("/events?{query}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
        Events {
            body: answer.into_body(),
            text: String::new(),
        }
    }

    /// The view of a stream that has just begun.
    pub(crate) async fn view(&self, query: &str) -> Value {
        self.events(query).await.next("view").await
    }

    pub(crate) async fn token(&self) -> String {
        let hello = self.events("").await.next("hello").await;
        hello["token"].as_str().unwrap().to_owned()
    }
}

/// A stream of the console.
pub(crate) struct Events {
    body: ConsoleBody,
    text: String,
}

impl Events {
    /// The data of the next event of this name.
    pub(crate) async fn next(&mut self, name: &str) -> Value {
        let event = self.next_text(name).await;
        serde_json::from_str(&event).unwrap()
    }

    pub(crate) async fn next_text(&mut self, name: &str) -> String {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < SOON, "no `{name}`");
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(&format!("event: {name}\n")) {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    return data.unwrap().to_owned();
                }
            }
            assert!(self.more().await, "the stream ends before `{name}`");
        }
    }

    /// The next view of which this holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let view = self.next("view").await;
            if holds(&view) {
                return view;
            }
            assert!(begun.elapsed() < SOON, "not as it should be: {view:#}");
        }
    }

    /// Reads on; `false` at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let frame = timeout(SOON, self.body.frame()).await.unwrap();
        let Some(frame) = frame else {
            return false;
        };
        let data = frame.unwrap().into_data().unwrap();
        self.text.push_str(std::str::from_utf8(&data).unwrap());
        true
    }
}

pub(crate) async fn text(answer: Response<ConsoleBody>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn json(answer: Response<ConsoleBody>) -> Value {
    serde_json::from_str(&text(answer).await).unwrap()
}

/// The column of all rows.
pub(crate) fn column(view: &Value, name: &str) -> Vec<String> {
    let rows = view["rows"].as_array().unwrap().iter();
    rows.map(|row| row[name].as_str().unwrap_or_default().to_owned())
        .collect()
}

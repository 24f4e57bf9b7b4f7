//! The handler under test: it acquires one thing of every kind, then it streams.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hangup::{Conflict, Deadlines, Live, Registry, Scope};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::ask::{Ask, Shape, Source};
use crate::census::{Alive, Census};
use crate::log::Log;

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// The size of an item of a flood, unless told otherwise.
pub(crate) const ITEM: usize = 16 * 1024;
/// How many connections there may be.
pub(crate) const PERMITS: usize = 8;
/// The undos of one connection: two, one that takes its time, and a permit.
pub(crate) const UNDOS: u64 = 4;

/// What differs from test to test.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) deadlines: Deadlines,
    pub(crate) heartbeat: Duration,
    pub(crate) beat: Bytes,
    /// What there always is more of in a flood.
    pub(crate) item: Bytes,
    /// The asynchronous undo of a body does not end by itself.
    pub(crate) undo_hangs: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::new(),
            // Not in a test.
            heartbeat: Duration::from_secs(3600),
            beat: Bytes::from_static(b"beat\n"),
            item: Bytes::from_static(&[b'x'; ITEM]),
            undo_hangs: false,
        }
    }
}

pub(crate) struct App {
    pub(crate) scope: Scope,
    pub(crate) registry: Registry<Ask, Alive>,
    pub(crate) token: CancellationToken,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) census: Census,
    pub(crate) beats: Arc<AtomicUsize>,
    pub(crate) sent: Arc<AtomicUsize>,
    /// One for each connection.
    logs: Mutex<Vec<Log>>,
    plan: Plan,
}

impl App {
    /// The tasks of a scope that has had connections: one sweeps if there are deadlines.
    pub(crate) fn sweeping_tasks(&self) -> usize {
        usize::from(self.plan.deadlines != Deadlines::new())
    }

    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let scope = Scope::builder()
            .deadlines(plan.deadlines)
            .runtime(Handle::current())
            .sweep_every(Duration::from_millis(20))
            .build();
        let share = Conflict::share(PERMITS);
        Arc::new(Self {
            scope,
            registry: Registry::new(share),
            token: CancellationToken::new(),
            permits: Arc::new(Semaphore::new(PERMITS)),
            census: Census::default(),
            beats: Arc::default(),
            sent: Arc::default(),
            logs: Mutex::default(),
            plan,
        })
    }

    pub(crate) async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<AnyBody> {
        match self.open(Ask::parse(request.uri().path())).await {
            Ok(body) => Response::new(body),
            Err(error) => {
                let error = Full::from(format!("error: {error}\n"));
                let mut refusal = Response::new(error.boxed_unsync());
                *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                refusal
            }
        }
    }

    async fn open(&self, ask: Ask) -> Result<AnyBody, Box<dyn Error + Send + Sync>> {
        let log = Log::default();
        self.logs.lock().unwrap().push(log.clone());

        let pending = self.scope.open()?;
        let mut setup = pending.abort_on(self.signal(&log))?.register()?;
        setup.join(&self.registry, ask, self.census.count("member"))?;
        let permit = Arc::clone(&self.permits).try_acquire_owned()?;
        setup.hold((log.on_drop("permit"), permit)).unwrap();
        setup.on_close(log.adds("first")).unwrap();
        setup
            .on_close_async("second", self.async_undo(ask, &log))
            .unwrap();
        setup.on_close(log.adds("third")).unwrap();
        drop(setup.spawn(self.task(&log)));
        setup.run(self.step(ask)).await?;
        let live = setup.go_live()?;
        drop(live.spawn(self.task(&log)));
        Ok(self.body(live, ask, &log))
    }

    /// The long-lived token, and whether anybody listens to it.
    fn signal(&self, log: &Log) -> impl Future<Output = ()> + use<> {
        let cancelled = self.token.clone().cancelled_owned();
        let alive = (self.census.count("signal"), log.on_drop("signal"));
        async move {
            let _alive = alive;
            cancelled.await;
        }
    }

    fn async_undo(
        &self,
        ask: Ask,
        log: &Log,
    ) -> impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + use<> {
        let (log, alive) = (log.clone(), self.census.count("undo"));
        let hangs = self.plan.undo_hangs && ask.shape == Shape::Body;
        move || {
            Box::pin(async move {
                let _alive = alive;
                log.add("second begins");
                yield_now().await;
                if hangs {
                    pending_for_ever().await;
                }
                log.add("second ends");
            })
        }
    }

    fn task(&self, log: &Log) -> impl Future<Output = ()> + use<> {
        let alive = (self.census.count("task"), log.on_drop("task"));
        async move {
            let _alive = alive;
            pending_for_ever().await;
        }
    }

    fn step(&self, ask: Ask) -> impl Future<Output = ()> + use<> {
        let alive = self.census.count("step");
        async move {
            let _alive = alive;
            yield_now().await;
            if ask.source == Source::SetUp {
                pending_for_ever().await;
            }
        }
    }

    fn source(&self, ask: Ask, log: &Log) -> impl Stream<Item = Bytes> + Send + use<> {
        let greeting = stream::once(async { Bytes::from_static(b"connected\n\n") });
        let (sent, item) = (Arc::clone(&self.sent), self.plan.item.clone());
        let rest = match ask.source {
            Source::Quiet | Source::SetUp => stream::pending().boxed(),
            Source::Short | Source::Whole | Source::Empty | Source::Trailers => {
                stream::empty().boxed()
            }
            Source::Flood => stream::repeat_with(move || {
                sent.fetch_add(item.len(), Ordering::Relaxed);
                item.clone()
            })
            .boxed(),
        };
        let alive = (log.on_drop("source"), self.census.count("source"));
        greeting.chain(rest).map(move |item| {
            let _alive = &alive;
            item
        })
    }

    fn body(&self, live: Live, ask: Ask, log: &Log) -> AnyBody {
        let source = self.source(ask, log);
        let inner = match ask.shape {
            Shape::Stream => {
                let (alive, beats) = (self.census.count("heartbeat"), Arc::clone(&self.beats));
                let beat = self.plan.beat.clone();
                let events = live
                    .stream(source)
                    .heartbeat(self.plan.heartbeat, move || {
                        let _alive = &alive;
                        beats.fetch_add(1, Ordering::Relaxed);
                        beat.clone()
                    })
                    .unwrap()
                    .farewell(|end| Some(format!("bye: {}\n", end.reason()).into()));
                StreamBody::new(events.map(frame)).boxed_unsync()
            }
            Shape::Body => match ask.source {
                Source::Whole => live.body(Full::from("connected\n\n")).boxed_unsync(),
                Source::Empty => live.body(Empty::new()).boxed_unsync(),
                Source::Trailers => {
                    let trailers = stream::once(async { Ok(Frame::trailers(HeaderMap::new())) });
                    let body = StreamBody::new(source.map(frame).chain(trailers));
                    live.body(body).boxed_unsync()
                }
                _ => live
                    .body(StreamBody::new(source.map(frame)))
                    .heartbeat(self.plan.heartbeat)
                    .unwrap()
                    .farewell_after_any_frame(|end| {
                        Some(Frame::data(format!("bye: {}\n", end.reason()).into()))
                    })
                    .boxed_unsync(),
            },
        };
        let alive = self.census.count("body");
        let held = Held {
            inner,
            _alive: alive,
        };
        held.boxed_unsync()
    }

    /// That every connection was undone, once and newest first, after what worked with it:
    /// its source as well, if that `ended` with it and was not left to the transport.
    pub(crate) fn assert_undone_in_order(&self, ended: bool) {
        for log in self.logs.lock().unwrap().iter() {
            let entries = log.entries();
            let works = |entry: &&String| ["signal", "source", "task"].contains(&entry.as_str());
            let undos: Vec<_> = entries.iter().filter(|entry| !works(entry)).collect();
            let undone = ["third", "second begins", "second ends", "first", "permit"];
            assert_eq!(undos, undone, "{entries:?}");
            let undoing = entries.iter().position(|entry| entry == "third").unwrap();
            let (before, after) = entries.split_at(undoing);
            assert!(before.contains(&"signal".to_owned()), "{entries:?}");
            assert!(before.contains(&"task".to_owned()), "{entries:?}");
            let late: Vec<_> = after.iter().filter(works).collect();
            // What has never been live has no source.
            assert!(
                late.is_empty() || !ended && late == ["source"],
                "{entries:?}"
            );
        }
    }
}

async fn pending_for_ever() {
    pending::<()>().await;
}

fn frame(data: Bytes) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(data))
}

/// The outermost body, which the server holds.
struct Held {
    inner: AnyBody,
    _alive: Alive,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

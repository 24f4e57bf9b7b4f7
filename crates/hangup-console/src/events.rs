//! The stream that keeps a page as it is to be.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::unfold;
use hangup::future::Interval;
use hangup::topic::{EventBody, SseEvent};
use hangup::{End, Error, Scope};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;

use crate::body::{ConsoleBody, head};
use crate::recent::{Recent, to_json};
use crate::refusal::Refusal;
use crate::roll::Roll;
use crate::secret::Secret;
use crate::view::View;
use crate::watch::Watch;

/// The time between two updates, at least.
const UPDATE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a page comes again that has lost its stream.
const RETRY: Duration = Duration::from_secs(1);
/// The pages of a server that shuts down come again after a time between these.
const RETRY_LATER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// What the streams of a console share.
pub(crate) struct Source {
    /// The scope that is shown.
    pub(crate) scope: Scope,
    /// That of the streams.
    pub(crate) own: Scope,
    pub(crate) watch: Watch,
    pub(crate) recent: Option<Arc<Recent>>,
    pub(crate) token: Secret,
}

/// What a page is told once per stream: after a restart of the server it goes on with another
/// token.
#[derive(Serialize)]
struct Hello<'a> {
    token: &'a str,
    may_end: bool,
    is_observed: bool,
}

/// Answers with the updates of a view.
pub(crate) fn events(
    source: &Arc<Source>,
    view: View,
    may_end: bool,
) -> Result<Response<ConsoleBody>, Refusal> {
    let stream = open(source, view, may_end).map_err(Refusal::NoStream)?;
    let mut response = head(ConsoleBody::new(EventBody::new(stream)));
    let value = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, value);
    Ok(response)
}

fn open(
    source: &Arc<Source>,
    view: View,
    may_end: bool,
) -> Result<impl Stream<Item = Bytes> + Send + use<>, Error> {
    let mut pending = source.own.open()?;
    pending.label("console");
    let live = pending.register()?.go_live()?;
    let page = Page {
        interval: live.interval(UPDATE)?,
        source: Arc::clone(source),
        view,
        may_end,
        number: 0,
        version: 0,
        roll: None,
        is_over: false,
    };
    let events = live
        .stream(unfold(page, Page::step))
        .heartbeat(HEARTBEAT, || SseEvent::heartbeat("").into_bytes())?;
    Ok(events.farewell(|end: End| Some(closed(&end.to_string()))))
}

fn closed(why: &str) -> Bytes {
    let [earliest, latest] = RETRY_LATER;
    let event = SseEvent::new("closed").data(why);
    event.retry_between(earliest, latest).into_bytes()
}

/// One stream.
struct Page {
    source: Arc<Source>,
    view: View,
    may_end: bool,
    interval: Interval,
    /// Of the roll and of the recent past that it has told last; 0 for none.
    number: u64,
    version: u64,
    /// Kept for the next one.
    roll: Option<Arc<Roll>>,
    is_over: bool,
}

impl Page {
    /// Boxed, since it is polled where it cannot be pinned.
    fn step(mut self) -> BoxFuture<'static, Option<(Bytes, Self)>> {
        Box::pin(async move {
            let events = self.next().await?;
            Some((events, self))
        })
    }

    /// The next events, in one piece; `None` once the last ones are told.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut events = BytesMut::new();
        if self.number == 0 {
            events.extend_from_slice(&self.hello());
        }
        while events.is_empty() || self.number == 0 {
            if self.number > 0 {
                let tick = std::pin::pin!(self.interval.tick());
                let drained = select(tick, self.source.scope.drained()).await;
                // Nothing of the drain is left to tell but that it is over.
                self.is_over = matches!(drained, Either::Right(_));
            }
            self.look(&mut events).await;
            let recent = self.source.recent.as_ref();
            if self.source.scope.is_draining() && recent.is_some_and(|it| it.is_drain_done()) {
                self.is_over = true;
            }
            if self.is_over {
                events.extend_from_slice(&closed("shutdown"));
            }
        }
        Some(events.freeze())
    }

    fn hello(&self) -> Bytes {
        let hello = Hello {
            token: self.source.token.as_str(),
            may_end: self.may_end,
            is_observed: self.source.recent.is_some(),
        };
        event("hello", &to_json(&hello), Some(RETRY))
    }

    async fn look(&mut self, events: &mut BytesMut) {
        let seen = self.source.watch.look(&self.view, self.number).await;
        if let Some(seen) = seen {
            (self.number, self.roll) = (seen.number, Some(seen.roll));
            events.extend_from_slice(&event("view", &seen.report, None));
        }
        let recent = self.source.recent.as_ref();
        if let Some((version, text)) = recent.and_then(|it| it.write(self.version)) {
            self.version = version;
            events.extend_from_slice(&event("recent", &text, None));
        }
    }
}

/// An event with JSON, which has no line breaks.
fn event(name: &str, json: &[u8], retry: Option<Duration>) -> Bytes {
    let event = SseEvent::new(name).data(&String::from_utf8_lossy(json));
    match retry {
        Some(retry) => event.retry(retry),
        None => event,
    }
    .into_bytes()
}

//! Topics of encoded events, and the bodies that send them.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::cursor::Cursor;
use super::error::PublishError;
use super::retention::Lane;
use super::sse_event::SseEvent;
use super::topic::Topic;
use super::topics::Topics;

impl Topic<Bytes> {
    /// Publishes an event into the [default lane](Lane::default), encoded once for all, with
    /// its cursor for its `id`. A [limit in bytes](super::Retention::bytes) counts the bytes of the
    /// whole event, as `.size(Bytes::len)` at the builder does.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on};
    /// use hangup::Scope;
    /// use hangup::topic::{EventBody, Gap, Replay, Retention, SseEvent, Topic};
    /// use http_body_util::BodyExt;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let topic = Topic::new(Retention::items(100));
    /// let cursor = topic.publish_event(SseEvent::message("hello"))?;
    ///
    /// let live = Scope::new().live()?;
    /// let events = topic.subscribe(Replay::All).for_connection(live.handle());
    /// let missed = |gap: Gap| SseEvent::new("gap").data(&gap.to_string()).id(gap.resume);
    /// let events = events.gap_as(move |gap| missed(gap).into_bytes());
    /// let farewell = |_| Some(SseEvent::new("closed").data("bye").into_bytes());
    /// let mut body = EventBody::new(live.stream(events).farewell(farewell));
    ///
    /// let frame = block_on(body.frame()).unwrap()?.into_data().unwrap();
    /// assert_eq!(frame, format!("data: hello\nid: {cursor}\n\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_event(&self, event: SseEvent) -> Result<Cursor, PublishError> {
        self.publish_event_in(Lane::default(), event)
    }

    /// Publishes an event into `lane`.
    ///
    /// # Errors
    ///
    /// As [`publish_in`](Self::publish_in).
    pub fn publish_event_in(
        &self,
        lane: Lane,
        mut event: SseEvent,
    ) -> Result<Cursor, PublishError> {
        let size = event.make_room();
        self.publish_with(lane, size, |cursor| event.into_bytes_at(cursor))
    }
}

impl<K> Topics<K, Bytes>
where
    K: Hash + Eq + Send + Sync + 'static,
{
    /// Publishes an event under `key`, into the [default lane](Lane::default), encoded once for
    /// all.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_event<Q>(&self, key: &Q, event: SseEvent) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.publish_event_in(key, Lane::default(), event)
    }

    /// Publishes an event under `key`, into `lane`.
    ///
    /// # Errors
    ///
    /// As [`publish_in`](Self::publish_in).
    pub fn publish_event_in<Q>(
        &self,
        key: &Q,
        lane: Lane,
        mut event: SseEvent,
    ) -> Result<Cursor, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let size = event.make_room();
        self.publish_with(key, lane, size, |cursor| event.into_bytes_at(cursor))
    }
}

pin_project! {
    /// The body of a response whose frames are whole events: what a stream yields goes out as
    /// it is.
    ///
    /// Heartbeats, the flush and the farewell are those of the
    /// [`LiveStream`](crate::LiveStream) within, so they come between events. The response's
    /// `Content-Type` is the caller's: `text/event-stream`.
    #[must_use = "bodies do nothing unless polled"]
    pub struct EventBody<S> {
        #[pin]
        events: S,
    }
}

impl<S: Stream<Item = Bytes>> EventBody<S> {
    /// The body that sends these events.
    pub fn new(events: S) -> Self {
        Self { events }
    }
}

impl<S: Stream<Item = Bytes>> Body for EventBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.project().events.poll_next(cx);
        event.map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

impl<S: fmt::Debug> fmt::Debug for EventBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody")
            .field("events", &self.events)
            .finish()
    }
}

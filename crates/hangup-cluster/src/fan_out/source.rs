//! The log of one topic, as long as it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hangup::runtime::{BoxFuture, Runtime};
use hangup::topic::Cursor;

use super::backoff::Backoff;
use super::name::TopicName;
use crate::engine::{EngineError, Log, LogEvent, LogStream};

/// The log of one topic.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) log: Arc<dyn Log>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) name: TopicName,
}

impl Source {
    /// The end of the log. It is asked for until there is an answer.
    pub(super) fn end(self) -> BoxFuture<Cursor> {
        Box::pin(async move {
            let mut backoff = Backoff::default();
            loop {
                match self.log.end(self.name.as_str()).await {
                    Ok(end) => return end,
                    Err(_) => self.runtime.sleep(backoff.next()).await,
                }
            }
        })
    }

    /// The start of the log. It is asked for until there is an answer.
    pub(super) fn start(self) -> BoxFuture<Cursor> {
        Box::pin(async move {
            let mut backoff = Backoff::default();
            loop {
                match self.log.start(self.name.as_str()).await {
                    Ok(start) => return start,
                    Err(_) => self.runtime.sleep(backoff.next()).await,
                }
            }
        })
    }

    /// Reads behind `after`.
    pub(super) fn read(&self, after: Cursor) -> Reader {
        Reader {
            source: self.clone(),
            after,
            backoff: Backoff::default(),
            step: Mutex::new(Step::Begin),
            held: None,
        }
    }

    fn open(self, after: Cursor) -> BoxFuture<Result<LogStream, EngineError>> {
        Box::pin(async move { self.log.read(self.name.as_str(), after).await })
    }
}

/// Reads the log of a topic, and reads anew behind the last cursor after an error. It has no end.
pub(super) struct Reader {
    source: Source,
    after: Cursor,
    backoff: Backoff,
    // Never locked: it makes the streams `Sync`.
    step: Mutex<Step>,
    /// An item that comes after the gap that was told.
    held: Option<(Cursor, Vec<u8>)>,
}

enum Step {
    Begin,
    Opening(BoxFuture<Result<LogStream, EngineError>>),
    Reading(LogStream),
    Waiting(BoxFuture<()>),
}

impl Reader {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LogEvent> {
        if let Some((cursor, item)) = self.held.take() {
            self.after = cursor;
            return Poll::Ready(LogEvent::Item(cursor, item));
        }
        loop {
            let step = self.step.get_mut();
            let step = step.unwrap_or_else(PoisonError::into_inner);
            match step {
                Step::Begin => *step = Step::Opening(self.source.clone().open(self.after)),
                Step::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(stream) => *step = Step::Reading(stream),
                    Err(_) => self.wait(),
                },
                Step::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    *step = Step::Begin;
                }
                Step::Reading(stream) => match ready!(stream.as_mut().poll_next(cx)) {
                    Some(Ok(event)) => {
                        self.backoff.reset();
                        if let Some(event) = self.accept(event) {
                            return Poll::Ready(event);
                        }
                    }
                    Some(Err(_)) | None => self.wait(),
                },
            }
        }
    }

    fn wait(&mut self) {
        let sleep = self.source.runtime.sleep(self.backoff.next());
        self.step = Mutex::new(Step::Waiting(sleep));
    }

    /// What the event says to a reader who has all up to `after`.
    fn accept(&mut self, event: LogEvent) -> Option<LogEvent> {
        match event {
            LogEvent::Item(cursor, item) if cursor.incarnation() == self.after.incarnation() => {
                if cursor.number() <= self.after.number() {
                    return None;
                }
                self.after = cursor;
                Some(LogEvent::Item(cursor, item))
            }
            // The engine should have told of the gap.
            LogEvent::Item(cursor, item) => {
                let before = cursor.number().saturating_sub(1);
                self.after = Cursor::new(cursor.incarnation(), before);
                self.held = Some((cursor, item));
                Some(LogEvent::Gap(self.after))
            }
            LogEvent::Gap(cursor) if cursor == self.after => None,
            LogEvent::Gap(cursor) => {
                self.after = cursor;
                Some(LogEvent::Gap(cursor))
            }
        }
    }
}

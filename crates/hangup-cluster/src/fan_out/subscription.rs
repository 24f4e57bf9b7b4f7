//! A reader of a topic on one node.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use hangup::runtime::BoxFuture;
use hangup::topic::{self, Cursor, Replay};
use hangup::{CloseReason, Closed, Handle};

use super::feed::{Current, Rewinds};
use super::feeds::Lease;
use super::gap::Gap;
use super::ring::{Entry, Event};
use super::source::Reader;
use crate::engine::LogEvent;
use crate::waiters;

/// The events of a topic, from where the subscription started. Made by
/// [`Topics::subscribe`](super::Topics::subscribe).
///
/// It yields every event after its start that the log retains, once and in order, or an `Err`
/// with a [`Gap`] that says what is lost; after a gap it goes on. An engine that is away is no
/// gap: the subscription waits. It ends when the topics are closed or dropped, after what this
/// node has for it, and resumes elsewhere behind its [`cursor`](Self::cursor).
///
/// What this node has not or no more it reads from the engine itself, until it meets what the
/// node has: that is the only time when it has a subscription of its own there.
///
/// # Cancel safety
///
/// `next()` on it is cancel safe: an event is taken only when it is yielded.
#[must_use = "streams do nothing unless polled"]
pub struct Subscription<T> {
    lease: Lease<T>,
    /// The last place up to which all is yielded or told.
    position: Cursor,
    place: Place<T>,
    /// Among those who wait for the feed.
    waiting: waiters::Place,
    rewinds: Rewinds,
    connection: Option<Handle>,
}

enum Place<T> {
    /// It is at its position already, and all that follows is in the ring.
    Ring {
        ring: topic::Subscription<Entry<T>>,
        /// For what may not be in the ring after all.
        catching: Option<Box<Catching>>,
        version: u64,
    },
    Catching(Box<Catching>),
    /// It waits for what the engine says about its start. The future is never locked: the mutex
    /// makes it `Sync`.
    Asking(Ask, Mutex<BoxFuture<Cursor>>),
    /// Nothing is known of its start yet.
    After(Cursor),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Start,
    /// The end, since the position is ahead of the ring, or in another incarnation.
    End,
}

/// Reads from the log what is not in the ring.
struct Catching {
    reader: Reader,
    /// Behind this place all is in the ring.
    target: Cursor,
    /// The feed's version, to which the target belongs.
    version: u64,
    /// What was lost before the subscription's first event is no gap.
    is_tacit: bool,
}

type Polled<T> = Poll<Option<Result<Event<T>, Gap>>>;

impl<T> Subscription<T> {
    pub(super) fn new(lease: Lease<T>, current: Current<T>, replay: Replay) -> Self {
        let mut position = current.end;
        let place = match replay {
            Replay::After(cursor) => {
                position = cursor;
                Place::After(cursor)
            }
            Replay::All => {
                position = Cursor::new(position.incarnation(), 0);
                let start = lease.feed.source.clone().start();
                Place::Asking(Ask::Start, Mutex::new(start))
            }
            // `Replay::Now`, and what may be added.
            _ => {
                position = current.end;
                Place::Ring {
                    ring: current.ring.subscribe(Replay::After(position)),
                    catching: None,
                    version: current.version,
                }
            }
        };
        let waiting = lease.feed.place();
        Self {
            lease,
            position,
            place,
            waiting,
            rewinds: current.rewinds,
            connection: None,
        }
    }

    /// When the topics are [closed](super::Topics::close), closes this connection for the same
    /// reason: then the stream's farewell follows.
    ///
    /// Without it, the end of the topics is the end of a stream, and the connection closes
    /// `Completed`.
    pub fn for_connection(mut self, connection: Handle) -> Self {
        self.connection = Some(connection);
        self
    }

    /// How far it has come: a subscription [after](Replay::After) this place, on any node, goes
    /// on where this one is now.
    ///
    /// Before the first event of [`Replay::All`] that is a place before all others.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.position
    }

    fn end(&mut self, reason: CloseReason) -> Polled<T> {
        let place = mem::replace(&mut self.place, Place::Over);
        self.waiting.leave();
        drop(place);
        // To end is to complete. `Err` if it had closed already.
        if let (Some(connection), false) =
            (self.connection.take(), reason == CloseReason::Completed)
        {
            let _: Result<(), Closed> = connection.close(reason);
        }
        Poll::Ready(None)
    }

    /// Moves to `resume`, and tells of it.
    fn tell(&mut self, resume: Cursor) -> Polled<T> {
        let asked = mem::replace(&mut self.position, resume);
        Poll::Ready(Some(Err(Gap { asked, resume })))
    }

    /// Goes on in the present ring; what is not there it reads by `catching`.
    fn attach(&mut self, catching: Option<Box<Catching>>) -> Option<Polled<T>> {
        let current = match self.lease.feed.current() {
            Ok(Some(current)) => current,
            Ok(None) => unreachable!("a subscription is made when there is a ring"),
            Err(reason) => return Some(self.end(reason)),
        };
        self.place = Place::Ring {
            ring: current.ring.subscribe(Replay::After(self.position)),
            catching,
            version: current.version,
        };
        if mem::replace(&mut self.rewinds, current.rewinds) != current.rewinds {
            if let Some(to) = current.rewinds.to.filter(|to| is_ahead(self.position, *to)) {
                self.place = Place::After(to);
                return Some(self.tell(to));
            }
        }
        None
    }

    /// Waits for the feed as well: `false` if it is another one than the version.
    fn listen(&mut self, cx: &Context<'_>, version: u64) -> bool {
        self.waiting.register(cx.waker());
        self.lease.feed.version() == version
    }

    fn poll_ring(&mut self, cx: &mut Context<'_>) -> Option<Polled<T>> {
        let Place::Ring {
            ring,
            catching,
            version,
        } = &mut self.place
        else {
            return None;
        };
        let version = *version;
        match Pin::new(ring).poll_next(cx) {
            Poll::Pending => {
                drop(catching.take());
                Some(Poll::Pending)
            }
            Poll::Ready(Some(Ok(published))) => {
                if catching.is_some() {
                    drop(catching.take());
                }
                let resume = published.cursor();
                Some(match Event::of_ring(published) {
                    Some(event) => {
                        self.position = resume;
                        Poll::Ready(Some(Ok(event)))
                    }
                    None => self.tell(resume),
                })
            }
            // What is not in the ring is in the log, or the log says that it is lost.
            Poll::Ready(Some(Err(gap))) => {
                let catching = catching.take();
                let (reader, is_tacit) = match catching {
                    Some(catching) => (catching.reader, catching.is_tacit),
                    None => (self.lease.feed.source.read(self.position), false),
                };
                self.place = Place::Catching(Box::new(Catching {
                    reader,
                    target: gap.to,
                    version,
                    is_tacit,
                }));
                None
            }
            // Another ring has taken its place.
            Poll::Ready(None) => {
                let catching = catching.take();
                self.attach(catching)
            }
        }
    }

    fn poll_catching(&mut self, cx: &mut Context<'_>) -> Option<Polled<T>> {
        let Place::Catching(catching) = &mut self.place else {
            return None;
        };
        let has_all = self.position.incarnation() == catching.target.incarnation()
            && self.position.number() >= catching.target.number();
        if has_all || self.lease.feed.version() != catching.version {
            let Place::Catching(catching) = mem::replace(&mut self.place, Place::Over) else {
                unreachable!("it was just looked at");
            };
            return self.attach(Some(catching));
        }
        let version = catching.version;
        match catching.reader.poll_next(cx) {
            Poll::Ready(LogEvent::Item(cursor, bytes)) => {
                catching.is_tacit = false;
                let item = self.lease.feeds.plan.decode(cursor, &bytes);
                Some(match item {
                    Some(item) => {
                        self.position = cursor;
                        Poll::Ready(Some(Ok(Event::own(cursor, item))))
                    }
                    None => self.tell(cursor),
                })
            }
            Poll::Ready(LogEvent::Gap(cursor)) => {
                if catching.is_tacit && cursor.incarnation() == self.position.incarnation() {
                    self.position = cursor;
                    return None;
                }
                catching.is_tacit = false;
                Some(self.tell(cursor))
            }
            Poll::Pending => self.listen(cx, version).then_some(Poll::Pending),
        }
    }

    fn poll_asking(&mut self, cx: &mut Context<'_>) -> Option<Polled<T>> {
        let Place::Asking(ask, answer) = &mut self.place else {
            return None;
        };
        let ask = *ask;
        let answer = answer.get_mut().unwrap_or_else(PoisonError::into_inner);
        let version = self.lease.feed.version();
        match answer.as_mut().poll(cx) {
            Poll::Pending => {
                if !self.listen(cx, version) {
                    return None;
                }
                match self.lease.feed.current() {
                    Ok(_) => Some(Poll::Pending),
                    Err(reason) => Some(self.end(reason)),
                }
            }
            Poll::Ready(cursor) if ask == Ask::Start => {
                self.position = cursor;
                let catching = Catching {
                    reader: self.lease.feed.source.read(cursor),
                    target: cursor,
                    version,
                    is_tacit: true,
                };
                self.attach(Some(Box::new(catching)))
            }
            Poll::Ready(end) if is_ahead(self.position, end) => {
                self.place = Place::After(end);
                Some(self.tell(end))
            }
            Poll::Ready(_) => self.attach(None),
        }
    }

    /// Looks for the place that a client has named.
    fn find(&mut self, after: Cursor) -> Option<Polled<T>> {
        let end = match self.lease.feed.current() {
            Ok(Some(current)) => current.end,
            Ok(None) => unreachable!("a subscription is made when there is a ring"),
            Err(reason) => return Some(self.end(reason)),
        };
        if end.incarnation() == after.incarnation() && end.number() >= after.number() {
            return self.attach(None);
        }
        // This node is behind, or the log has never given it.
        let end = self.lease.feed.source.clone().end();
        self.place = Place::Asking(Ask::End, Mutex::new(end));
        None
    }
}

fn is_ahead(position: Cursor, end: Cursor) -> bool {
    position.incarnation() == end.incarnation() && position.number() > end.number()
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Event<T>, Gap>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<T> {
        let this = self.get_mut();
        loop {
            let polled = match &this.place {
                Place::Ring { .. } => this.poll_ring(cx),
                Place::Catching(_) => this.poll_catching(cx),
                Place::Asking(..) => this.poll_asking(cx),
                Place::After(after) => {
                    let after = *after;
                    this.find(after)
                }
                Place::Over => Some(Poll::Ready(None)),
            };
            if let Some(polled) = polled {
                return polled;
            }
        }
    }
}

impl<T> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        matches!(self.place, Place::Over)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("topic", &self.lease.feed.source.name)
            .field("cursor", &self.position)
            .finish_non_exhaustive()
    }
}

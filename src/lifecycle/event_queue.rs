//! Ordered delivery of one connection's events to the observer.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::settled::Settled;
use super::telemetry::{Notice, Telemetry, Transition};
use super::waits_for::WaitsFor;
use super::word::Word;
use crate::error::KeyError;
use crate::id::ConnectionId;
use crate::sync::baton::Baton;
use crate::sync::{Mutex, lock};

/// The events of one connection that the observer has not been told yet.
///
/// They are in the order of the transitions, because the transitions of an observed
/// connection are made under this lock; the calls of the observer are not (I8).
pub(crate) struct EventQueue<C> {
    telemetry: Arc<Telemetry<C>>,
    /// The connection, which owns this queue.
    connection: Weak<C>,
    id: ConnectionId,
    opened_at: Option<Instant>,
    #[cfg(feature = "tracing")]
    span: Mutex<Option<Arc<tracing::Span>>>,
    pending: Mutex<PendingNotices>,
}

struct PendingNotices {
    queue: VecDeque<Notice>,
    baton: Baton,
    /// When the current phase began.
    since: Option<Instant>,
    has_settled: bool,
}

impl<C> EventQueue<C> {
    pub(super) fn new(telemetry: Arc<Telemetry<C>>, connection: Weak<C>, id: ConnectionId) -> Self {
        let since = telemetry.now();
        Self {
            telemetry,
            connection,
            id,
            opened_at: since,
            #[cfg(feature = "tracing")]
            span: Mutex::new(None),
            pending: Mutex::new(PendingNotices {
                queue: VecDeque::from([Notice::Opened]),
                baton: Baton::default(),
                since,
                has_settled: false,
            }),
        }
    }

    /// The time by the application's clock.
    pub(super) fn now(&self) -> Option<Instant> {
        self.telemetry.now()
    }

    pub(super) fn opened_at(&self) -> Option<Instant> {
        self.opened_at
    }

    /// Looks at the word while no transition is made, and returns how long ago, at `now`, the
    /// connection was opened and its current phase began, if that is known.
    pub(super) fn look<T>(
        &self,
        now: Option<Instant>,
        look: impl FnOnce() -> T,
    ) -> (T, Option<(Duration, Duration)>) {
        let pending = lock(&self.pending);
        let seen = look();
        let times = now.zip(self.opened_at).zip(pending.since);
        let times = times.map(|((now, opened_at), since)| {
            let age = now.saturating_duration_since(opened_at);
            (age, now.saturating_duration_since(since))
        });
        (seen, times)
    }

    /// Makes a move on the word, and queues it if it was a transition.
    pub(super) fn record<T>(
        &self,
        now: Option<Instant>,
        word: &Word,
        make: impl FnOnce(&Word) -> T,
    ) -> T {
        let mut pending = lock(&self.pending);
        let from = word.load().state();
        let made = make(word);
        let to = word.load().state();
        if let (Some(from), true) = (from.phase(), from != to) {
            let lasted = now
                .zip(pending.since)
                .map(|(now, since)| now.saturating_duration_since(since));
            // `max`, because two threads may have read the clock in the other order. If
            // `now` is unknown, the length of the phase that begins here is unknown too.
            pending.since = now.map(|now| pending.since.map_or(now, |since| now.max(since)));
            pending.queue.push_back(Notice::Moved(Transition {
                id: self.id,
                from,
                to,
                lasted,
            }));
        }
        made
    }

    #[cfg(feature = "tracing")]
    pub(super) fn replace_span(
        &self,
        span: Option<Arc<tracing::Span>>,
    ) -> Option<Arc<tracing::Span>> {
        std::mem::replace(&mut *lock(&self.span), span)
    }

    #[cfg(feature = "tracing")]
    pub(super) fn span(&self) -> Option<Arc<tracing::Span>> {
        lock(&self.span).clone()
    }

    pub(super) fn settled(&self, settled: Settled) {
        let mut pending = lock(&self.pending);
        pending.has_settled = true;
        pending.queue.push_back(Notice::Settled(settled));
        drop(pending);
        self.deliver();
    }

    /// Nothing is told after the connection has settled.
    pub(super) fn unsettled(&self, waits_for: Option<WaitsFor>) {
        let mut pending = lock(&self.pending);
        if !pending.has_settled {
            pending.queue.push_back(Notice::Unsettled(waits_for));
        }
        drop(pending);
        self.deliver();
    }

    pub(super) fn rejected(&self, refusal: KeyError) {
        self.add(Notice::Rejected(refusal));
    }

    fn add(&self, notice: Notice) {
        lock(&self.pending).queue.push_back(notice);
        self.deliver();
    }

    /// Delivers all that is queued, unless another call does.
    pub(super) fn deliver(&self) {
        if !lock(&self.pending).baton.take(|| ()) {
            return;
        }
        while let Some(notice) = self.next() {
            let connection = self.connection.upgrade();
            let connection = connection.expect("the caller holds the connection");
            self.telemetry.tell(connection, &notice);
        }
    }

    fn next(&self) -> Option<Notice> {
        let mut pending = lock(&self.pending);
        let due = pending.queue.pop_front();
        pending.baton.next(due).ok()
    }
}

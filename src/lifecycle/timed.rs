//! What the deadlines of a connection are measured by.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::Lifecycle;
use crate::sync::lock;
use crate::time::{Overdue, SweepTime, Timers};

impl Lifecycle {
    pub(crate) fn touch(&self) {
        if let Some(timers) = self.timers() {
            timers.touch();
        }
    }

    /// Whether a deadline ends it although nothing owns it.
    pub(crate) fn ends_by_itself(&self) -> bool {
        self.timers()
            .is_some_and(|timers| timers.bound_life(self.group.deadlines()))
    }

    /// Expires at `instant` instead of when it was to before. `false` if the connection has
    /// no deadlines.
    pub(crate) fn expire_at(&self, instant: Instant) -> bool {
        let Some(timers) = self.timers() else {
            return false;
        };
        timers.expire_at(self.group.sweeps.date(instant));
        true
    }

    /// Whether it was closed for at least `time`, by the sweeps up to `latest`, and has not
    /// settled.
    pub(crate) fn is_unsettled_for(&self, time: Duration, latest: SweepTime) -> bool {
        let snapshot = self.word().load();
        let is_unsettled = snapshot.state().is_closed() && !snapshot.settled();
        let timers = self.timers().filter(|_| is_unsettled);
        timers.is_some_and(|timers| timers.closed_for(latest) >= time)
    }

    /// How long ago the peer was last known to be there, by the sweeps.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let timers = self.timers()?;
        Some(timers.touched_for(self.group.sweeps.latest()))
    }

    /// `Some` if a deadline watches what the stream yields to its reader.
    pub(crate) fn stream_timers(&self) -> Option<&Timers> {
        let timers = self.timers()?;
        let deadlines = timers.deadlines(self.group.deadlines());
        let is_watched = deadlines.stall.is_some() || deadlines.quiet.is_some();
        is_watched.then_some(timers)
    }

    /// A deadline watches the stream from now on.
    pub(crate) fn set_stall_watch(&self) {
        self.word().set_stall_watch();
    }

    /// Stores the waker that a watched source wakes through this lifecycle, unless the
    /// connection has closed.
    pub(crate) fn register_reader(&self, reader: Waker) {
        let reader = Arc::new(reader);
        let mut inner = self.lock_to_store();
        let unneeded = match self.closed() {
            None => inner.cold().reader.replace(reader),
            Some(_) => Some(reader),
        };
        drop(inner);
        drop(unneeded);
    }

    /// Tells the observer that the connection has been closed for long, and has not settled.
    pub(crate) fn tell_unsettled(&self) {
        if let Some(events) = self.events() {
            events.unsettled(self.waits_for());
        }
    }

    /// What a sweep at `time` must do about this connection.
    pub(crate) fn overdue(&self, time: SweepTime) -> Option<Overdue> {
        let timers = self.timers()?;
        let deadlines = timers.deadlines(self.group.deadlines());
        let settle = self.group.unsettled_after;
        timers.overdue(deadlines, settle, self.id(), self.state(), time)
    }
}

/// The waker of a source whose reader is watched: records that an item may be ready, and
/// wakes the reader.
impl Wake for Lifecycle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(timers) = self.timers() {
            timers.reader_woken();
        }
        // Not taken out: the source may wake again before the next poll.
        let reader = lock(&self.inner).cold().reader.clone();
        if let Some(reader) = reader {
            reader.wake_by_ref();
        }
    }
}

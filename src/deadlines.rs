//! How long a connection may take for what.

use std::time::Duration;

use crate::id::ConnectionId;

/// How long a connection may take for what. None of them limits anything until it is
/// set.
///
/// Given to a [scope](crate::ScopeBuilder::deadlines) for all of its connections, or to
/// [`open_with`](crate::Scope::open_with) for one.
///
/// They are kept by [`Scope::sweep`](crate::Scope::sweep), which a scope with a
/// [`Runtime`](crate::Runtime) runs by itself, every second unless
/// [told otherwise](crate::ScopeBuilder::sweep_every). A deadline never passes early. It
/// is noticed late by the time of three sweeps at most: the first two date what it counts
/// from, the last one finds that it is over.
///
/// There is no task and no timer for a connection. One with deadlines costs an allocation
/// of 40 bytes, and another of 96 if they are its own; a stream with a
/// [`stall`](Self::stall) deadline two more, of 216 bytes together, and two
/// stores per poll. What is noted on the way, by a touch or an item, is a store into the
/// connection's own memory, and no clock is read but once per sweep.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hangup::{Deadlines, Scope};
///
/// let scope = Scope::builder()
///     .deadlines(
///         Deadlines::new()
///             .setup(Duration::from_secs(10))
///             .max_age(Duration::from_secs(3600))
///             .jitter(Duration::from_secs(600))
///             .stall(Duration::from_secs(30)),
///     )
///     .build();
/// ```
#[must_use = "deadlines are kept once a scope has them"]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadlines {
    pub(crate) setup: Option<Duration>,
    max_age: Option<Duration>,
    jitter: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) stall: Option<Duration>,
    pub(crate) undo: Option<Duration>,
}

impl Deadlines {
    /// No deadlines.
    pub const fn new() -> Self {
        Self {
            setup: None,
            max_age: None,
            jitter: Duration::ZERO,
            idle: None,
            stall: None,
            undo: None,
        }
    }

    /// Closes as [`Expired`](crate::CloseReason::Expired) what is not live `deadline`
    /// after it was opened.
    pub const fn setup(mut self, deadline: Duration) -> Self {
        self.setup = Some(deadline);
        self
    }

    /// Closes as [`Expired`](crate::CloseReason::Expired) what was opened `age` ago: so
    /// that clients come back, to another server perhaps.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Adds up to `most` to the [`max_age`](Self::max_age), to each connection another
    /// share of it: those who came together do not come back together.
    pub const fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Closes as [`Idle`](crate::CloseReason::Idle) what is live and was not
    /// [touched](crate::Handle::touch) for as long as `deadline`.
    ///
    /// Only a touch counts, since what shows that a peer is there differs: a message, an
    /// answer to a ping, a request beside the stream. Going live counts as one.
    pub const fn idle(mut self, deadline: Duration) -> Self {
        self.idle = Some(deadline);
        self
    }

    /// Closes as [`Stalled`](crate::CloseReason::Stalled) what streams to a reader that
    /// has not come for as long as `deadline`, although there was something to come for:
    /// its last poll was given an item, or the source has woken it since.
    ///
    /// A reader that waits for a quiet source is not stalled, however long it waits.
    /// That a reader no longer comes means that what it writes to is full: the peer
    /// has stopped reading, or has vanished without a word.
    ///
    /// The undo runs whether or not the transport lets go of the stream. If it does not,
    /// the stream and its source are there for as long as the transport waits for the
    /// peer: let the socket time out too, and feed the source from something bounded.
    ///
    /// A transport buffers, and comes for more only when a good part of that is gone. So
    /// `deadline` has to be longer than the slowest peer that is welcome needs for it. With
    /// HTTP/1 on Linux that was about a third of the send buffer of the socket, 1.4 MB on
    /// loopback unless configured; with a buffer of 128 KiB, or HTTP/2, next to nothing.
    ///
    /// It is about [streams](crate::Live::stream) and bodies. A loop of one's own, in
    /// [`Live::run`](crate::Live::run), is polled also when its peer reads nothing.
    pub const fn stall(mut self, deadline: Duration) -> Self {
        self.stall = Some(deadline);
        self
    }

    /// Gives up an asynchronous undo that has run for `deadline`: its task is woken, drops
    /// it where it stands, [reports](crate::Settled::unfinished) it by its name, and goes
    /// on with the older ones.
    ///
    /// One that was registered after everything had been undone has no deadline.
    pub const fn undo(mut self, deadline: Duration) -> Self {
        self.undo = Some(deadline);
        self
    }

    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The maximum age of this connection.
    pub(crate) fn max_age_of(&self, id: ConnectionId) -> Option<Duration> {
        self.max_age
            .map(|age| age.saturating_add(self.jitter.mul_f64(id.share())))
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionId, Deadlines, Duration};

    #[test]
    fn jitter_spreads_the_ages_and_is_added_to_them() {
        let (age, jitter) = (Duration::from_secs(100), Duration::from_secs(10));
        let deadlines = Deadlines::new().max_age(age).jitter(jitter);
        let mut tenths = [0; 10];
        for _ in 0..1000 {
            let added = deadlines.max_age_of(ConnectionId::next()).unwrap() - age;
            assert!(added < jitter);
            tenths[added.as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| count > 50), "{tenths:?}");
        let exact = Deadlines::new().max_age(age);
        assert_eq!(exact.max_age_of(ConnectionId::next()), Some(age));
        let longest = Deadlines::new().max_age(Duration::MAX).jitter(jitter);
        assert_eq!(
            longest.max_age_of(ConnectionId::next()),
            Some(Duration::MAX)
        );
    }
}

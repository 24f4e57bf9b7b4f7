//! The limits of a connection.

use std::time::{Duration, Instant};

use crate::id::ConnectionId;

/// How long a connection may take: for its set-up, in all, without a sign of the peer,
/// without an item, with a reader that does not read, and for an undo. There is no limit
/// until one is set.
///
/// Given to a [scope](crate::ScopeBuilder::deadlines) for all of its connections;
/// [`open_with`](crate::Scope::open_with) changes them for one.
///
/// A task of the scope keeps them, which [sweeps](crate::Scope::sweep) all connections
/// every second, or [at another interval](crate::ScopeBuilder::sweep_every). It runs on the
/// [runtime](crate::runtime) of the scope, and begins when the first connection with
/// deadlines is opened; if there is no runtime, opening one fails with
/// [`OpenError::NoRuntime`](crate::OpenError::NoRuntime), unless the scope is
/// [swept by hand](crate::ScopeBuilder::swept_by_hand).
///
/// A deadline never passes early. It passes late by the time of at most three sweeps: two
/// to date the event that it is measured from, and one to find that it is over.
///
/// # When the server stands still
///
/// [`max_age`](Self::max_age) and [`expires_at`](Self::expires_at) are in real time. All
/// others are in the time during which the server runs: if a sweep comes more than two
/// periods after the one before, the time between them counts as one period. So a server
/// that was suspended, or whose executor was blocked, does not take the peers that it did
/// not listen to for idle (R30). A server that is so busy that every sweep comes that late
/// keeps these deadlines late, by the same factor.
///
/// The period is that of [`sweep_every`](crate::ScopeBuilder::sweep_every). A scope that is
/// [swept by hand](crate::ScopeBuilder::swept_by_hand) has none unless `sweep_every` says
/// what it is: without it all deadlines are in the time that the sweeps are given.
///
/// # Costs
///
/// There is no task and no timer per connection. Deadlines cost a connection one allocation
/// of 104 bytes, and another of 128 if they are its own; a [`stall`](Self::stall) or
/// [`quiet`](Self::quiet) deadline costs a stream three more, of 256 bytes together, and three
/// stores per poll. An event, such as a touch or an item, costs a store into the connection's
/// own memory. The clock is read once per sweep.
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
#[must_use = "deadlines have no effect until a scope has them"]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadlines {
    pub(crate) setup: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    jitter: Duration,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) idle: Option<Duration>,
    pub(crate) quiet: Option<Duration>,
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
            expires_at: None,
            idle: None,
            quiet: None,
            stall: None,
            undo: None,
        }
    }

    /// Closes a connection as [`Expired`](crate::CloseReason::Expired) if it is not live
    /// `deadline` after it was opened.
    pub const fn setup(mut self, deadline: Duration) -> Self {
        self.setup = Some(deadline);
        self
    }

    /// Closes a connection as [`Expired`](crate::CloseReason::Expired) `age` after it was
    /// opened, so that its client reconnects, to another server perhaps.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Adds up to `most` to the [`max_age`](Self::max_age), a different share of it for
    /// each connection, so that clients which connected together do not reconnect together.
    pub const fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Closes a connection as [`Expired`](crate::CloseReason::Expired) at `instant`, in any
    /// phase: when the token expires by which the peer was authorised.
    ///
    /// [`Handle::expire_at`](crate::Handle::expire_at) moves it while the connection is open.
    /// If there is a [`max_age`](Self::max_age) as well, the earlier one counts.
    pub const fn expires_at(mut self, instant: Instant) -> Self {
        self.expires_at = Some(instant);
        self
    }

    /// Closes a live connection as [`Idle`](crate::CloseReason::Idle) if it was not
    /// [touched](crate::Handle::touch) for `deadline`.
    ///
    /// It counts touches, and nothing else: a stream that yields items is idle if nothing
    /// touches it, since what it yields does not show that the peer is there. Applications
    /// differ in what does: a message, an answer to a ping, a request beside the stream.
    /// Going live counts as a touch. For a limit on the time between two items, see
    /// [`quiet`](Self::quiet).
    pub const fn idle(mut self, deadline: Duration) -> Self {
        self.idle = Some(deadline);
        self
    }

    /// Closes a live connection as [`Idle`](crate::CloseReason::Idle) if its
    /// [stream](crate::Live::stream) or body has yielded no item for `deadline`.
    ///
    /// The start of the stream counts as an item, and so does a heartbeat: a stream with
    /// heartbeats is never quiet. A connection without a stream is not quiet.
    pub const fn quiet(mut self, deadline: Duration) -> Self {
        self.quiet = Some(deadline);
        self
    }

    /// Closes a connection as [`Stalled`](crate::CloseReason::Stalled) if it streams to a
    /// reader that was expected and did not poll for `deadline`. A reader is expected after
    /// a poll that was given an item, and when the source has woken it.
    ///
    /// A reader that waits for a quiet source is not stalled, however long it waits. A
    /// transport stops polling when its write buffer is full: the peer has stopped
    /// reading, or has vanished without a word.
    ///
    /// The undo runs whether or not the transport lets go of the stream. A transport that
    /// keeps the stream while it waits for the peer also keeps its source: let the socket
    /// time out too, and feed the source from a bounded channel.
    ///
    /// A transport buffers, and polls again only when a good part of the buffer is free. So
    /// `deadline` must be longer than the slowest welcome peer needs for that part. With
    /// HTTP/1 on Linux that was about a third of the send buffer of the socket, 1.4 MB on
    /// loopback unless configured; with a buffer of 128 KiB, or HTTP/2, next to nothing.
    ///
    /// This deadline applies to [streams](crate::Live::stream) and bodies. A loop in
    /// [`Live::run`](crate::Live::run) is polled also when its peer reads nothing.
    pub const fn stall(mut self, deadline: Duration) -> Self {
        self.stall = Some(deadline);
        self
    }

    /// Abandons an asynchronous undo that has run for `deadline`: its task is woken, drops
    /// it where it stands, [reports](crate::report::Settled::abandoned) its name, and continues
    /// with the older undos.
    pub const fn undo(mut self, deadline: Duration) -> Self {
        self.undo = Some(deadline);
        self
    }

    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The maximum age of this connection, its share of the jitter included.
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

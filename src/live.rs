//! The third typed state: the only one that streams.

use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;

use crate::lifecycle::Lifecycle;
use crate::owner::{Owner, owner_methods};
use crate::run::Run;
use crate::stream::LiveStream;

/// A connection that is set up: visible in its registries, ready to stream.
///
/// Dropping it closes the connection as [`Dropped`](crate::CloseReason::Dropped).
#[must_use = "dropping it closes the connection"]
#[derive(Debug)]
pub struct Live {
    owner: Owner,
}

owner_methods!(Live);

impl Live {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner }
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        self.owner.share()
    }

    /// Streams `source` on this connection, which ends when `source` ends, as
    /// `source` ends when it does.
    pub fn stream<S: Stream>(self, source: S) -> LiveStream<S> {
        LiveStream::new(self, source)
    }

    /// Runs a loop of one's own on this connection: a WebSocket, say.
    ///
    /// When `body` completes, the connection closes `Completed`, or with the reason that
    /// `body` gave to its [`Handle`](crate::Handle). When the connection is closed from
    /// elsewhere, the task is woken and `body` is dropped. When `body` panics, the
    /// connection closes `Failed`. An output that is an `Err` is an output: to record a
    /// failure, close the handle as `Failed` first.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if the connection closed before `body` was complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection as `Dropped`.
    pub fn run<F: Future>(self, body: F) -> Run<F> {
        Run::new(self, body)
    }

    /// Says that the peer is there, which the [idle
    /// deadline](crate::Deadlines::idle) counts from.
    pub fn touch(&self) {
        self.owner.touch();
    }
}

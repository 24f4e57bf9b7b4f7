//! The errors of admission, and one over all of them. Those of the state machine are beside
//! it.

use std::time::Duration;

use crate::runtime::NoRuntime;
use crate::state::{CloseReason, Closed};

/// Why a [`Scope`](crate::Scope) did not open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A drain has begun: the scope admits nothing any more.
    #[error("the server is draining")]
    Draining,
    /// As many connections as allowed have not settled yet.
    #[error("the server is full")]
    Full,
    /// The connection needs a runtime, to keep its deadlines or to wait for a signal, and
    /// there is none: the scope [was given none](crate::ScopeBuilder::runtime), or it has
    /// shut down, and the caller is in none.
    #[error("no runtime: the scope has none, and this thread is in none")]
    NoRuntime,
    /// The [signal](crate::Pending::abort_on) that the connection was to be bound to had
    /// fired, or the connection had been closed before.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl From<NoRuntime> for OpenError {
    fn from(_: NoRuntime) -> Self {
        Self::NoRuntime
    }
}

/// Why a connection did not get a place under a key of a [`Registry`](crate::Registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The connection has ended already; it is in no registry.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Another open connection holds the key, under
    /// [`Conflict::Reject`](crate::Conflict::Reject).
    #[error("the key is taken")]
    Taken,
    /// As many connections as allowed hold the key, under
    /// [`Conflict::Share`](crate::Conflict::Share).
    #[error("the key is full")]
    Full,
    /// There will be room without any other connection being closed: one that holds the key
    /// has closed and has not settled. Instead of `Taken` or `Full`. Try again soon, or wait
    /// for [`Registry::settled`](crate::Registry::settled).
    ///
    /// A refusal looks at eight holders at most, at others than the last one. So under a
    /// larger cap it may still be `Full` for a few times after one of them has closed.
    #[error("the key is about to be free: what held it has closed and is being undone")]
    Settling,
    /// The holder is not replaced yet: see
    /// [`min_hold`](crate::RegistryBuilder::min_hold).
    #[error("the holder of the key is safe for another {retry_after:?}")]
    Held {
        /// How long the holder is still safe.
        retry_after: Duration,
    },
    /// This very connection holds the key already.
    #[error("the connection holds this key already")]
    AlreadyJoined,
    /// The deadline of a take-over passed while a predecessor, which is closed, had not
    /// settled.
    #[error("the predecessor has not settled in time")]
    TimedOut,
    /// The registry has a [`min_hold`](crate::RegistryBuilder::min_hold), and there is no
    /// runtime to tell the time: the scope [was given none](crate::ScopeBuilder::runtime),
    /// and the caller is in none.
    #[error("no runtime: the scope has none, and this thread is in none")]
    NoRuntime,
}

impl From<NoRuntime> for KeyError {
    fn from(_: NoRuntime) -> Self {
        Self::NoRuntime
    }
}

/// Why a connection was not set up: one error over those of the steps to it, for `?`.
///
/// What a server may answer, by [`http_status`](Self::http_status),
/// [`retry_after`](Self::retry_after), [`grpc_code`](Self::grpc_code) and
/// [`close_code`](Self::close_code):
///
/// | error | HTTP | `Retry-After` | gRPC | WebSocket | an `EventSource` then |
/// |---|---|---|---|---|---|
/// | [`Draining`](OpenError::Draining), `Shutdown` | 503 | 1 s | 14 `UNAVAILABLE` | 1001 | ends, for good |
/// | [`Full`](OpenError::Full) | 503 | 5 s | 8 `RESOURCE_EXHAUSTED` | 1013 | ends, for good |
/// | [`Taken`](KeyError::Taken) | 409 | | 6 `ALREADY_EXISTS` | 1008 | ends, for good |
/// | [`KeyError::Full`] | 429 | 5 s | 8 `RESOURCE_EXHAUSTED` | 1013 | ends, for good |
/// | [`Settling`](KeyError::Settling) | 503 | 1 s | 14 `UNAVAILABLE` | 1013 | ends, for good |
/// | [`Held`](KeyError::Held) | 409 | what it says | 10 `ABORTED` | 1013 | ends, for good |
/// | [`TimedOut`](KeyError::TimedOut) | 503 | 1 s | 14 `UNAVAILABLE` | 1013 | ends, for good |
/// | [`AlreadyJoined`](KeyError::AlreadyJoined), `NoRuntime`, `NoDeadline`, `NotInSetup` | 500 | | 13 `INTERNAL` | 1011 | ends, for good |
/// | `NotAdmitted` | 406 | | 9 `FAILED_PRECONDITION` | 1008 | ends, for good |
/// | `Superseded` | 409 | | 10 `ABORTED` | 1008 | ends, for good |
/// | other [`Closed`] | 503 | 1 s | 14 `UNAVAILABLE` | 1011 | ends, for good |
///
/// A browser's `EventSource` reconnects by itself only if its stream *ends* after a status of
/// 200: any other status ends it for good. To make it come back, answer 200 with a `retry:`
/// field and nothing else, or let the page create another one.
///
/// # Examples
///
/// ```
/// use hangup::{Conflict, Error, Live, Registry, Scope};
///
/// async fn set_up(scope: &Scope, workers: &Registry<u32, ()>) -> Result<Live, Error> {
///     let mut setup = scope.open()?.register()?;
///     setup.join(workers, 7, ())?;
///     setup.run(async { /* subscribe */ }).await?;
///     Ok(setup.go_live()?)
/// }
///
/// # futures::executor::block_on(async {
/// let (scope, workers) = (Scope::new(), Registry::new(Conflict::Reject));
/// let first = set_up(&scope, &workers).await?;
/// let refused = set_up(&scope, &workers).await.unwrap_err();
/// assert_eq!((refused.http_status(), refused.is_retryable()), (409, false));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scope did not open the connection.
    #[error(transparent)]
    Open(OpenError),
    /// The connection did not get a place under a key.
    #[error(transparent)]
    Key(KeyError),
    /// The connection has closed.
    #[error(transparent)]
    Closed(Closed),
    /// There is no runtime for what was asked for.
    #[error(transparent)]
    NoRuntime(NoRuntime),
    /// Nothing would end the connection that was to be [held open](crate::Live::hold_open).
    #[error("to be held open, a connection needs an idle deadline, a max_age or an expires_at")]
    NoDeadline,
    /// The set-up that was asked for is lent to another part of the handler, was taken, or is
    /// over: see `layer::Admitted::setup`.
    #[error("the connection is not in its set-up")]
    NotInSetup,
    /// The request has no connection: it does not ask for a stream, or there is no layer that
    /// admits it. See `layer::Admitted::of`.
    #[error("the request was not admitted as a stream")]
    NotAdmitted,
}

// A close is a `Closed`, and a missing runtime a `NoRuntime`, from whichever step it comes.

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Closed(closed) => Self::Closed(closed),
            OpenError::NoRuntime => Self::NoRuntime(NoRuntime),
            OpenError::Draining | OpenError::Full => Self::Open(error),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Closed(closed) => Self::Closed(closed),
            KeyError::NoRuntime => Self::NoRuntime(NoRuntime),
            _ => Self::Key(error),
        }
    }
}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}

impl From<NoRuntime> for Error {
    fn from(error: NoRuntime) -> Self {
        Self::NoRuntime(error)
    }
}

/// What a server answers.
struct Answer {
    http: u16,
    retry_after: Option<u64>,
    grpc: u32,
    close: u16,
}

impl Error {
    /// Whether the same request may succeed a moment later, without a change of the request.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.answer().retry_after.is_some()
    }

    /// The status of an HTTP response.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.answer().http
    }

    /// For the header `Retry-After`; `None` if it makes no sense to come back.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.answer().retry_after.map(Duration::from_secs)
    }

    /// The code of a gRPC status.
    #[must_use]
    pub fn grpc_code(&self) -> u32 {
        self.answer().grpc
    }

    /// The status code of a WebSocket's Close frame.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        self.answer().close
    }

    /// The table of the documentation.
    fn answer(&self) -> Answer {
        let answer = |http, retry_after, grpc, close| Answer {
            http,
            retry_after,
            grpc,
            close,
        };
        match self {
            Self::Open(OpenError::Draining) => answer(503, Some(1), 14, 1001),
            Self::Open(_) => answer(503, Some(5), 8, 1013),
            Self::Key(KeyError::Taken) => answer(409, None, 6, 1008),
            Self::Key(KeyError::Full) => answer(429, Some(5), 8, 1013),
            Self::Key(KeyError::TimedOut | KeyError::Settling) => answer(503, Some(1), 14, 1013),
            Self::Key(KeyError::Held { retry_after }) => {
                // Whole seconds: not before that time.
                let seconds = retry_after.as_secs_f64().ceil() as u64;
                answer(409, Some(seconds), 10, 1013)
            }
            Self::Key(_) | Self::NoRuntime(_) | Self::NoDeadline | Self::NotInSetup => {
                answer(500, None, 13, 1011)
            }
            Self::NotAdmitted => answer(406, None, 9, 1008),
            Self::Closed(closed) => match closed.reason {
                CloseReason::Shutdown => answer(503, Some(1), 14, 1001),
                CloseReason::Superseded => answer(409, None, 10, 1008),
                _ => answer(503, Some(1), 14, 1011),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Error, KeyError, OpenError};
    use crate::runtime::NoRuntime;
    use crate::state::{CloseReason, Closed, Phase};

    #[test]
    fn the_answers_are_those_of_the_table() {
        let closed = |reason| {
            let from = Phase::Registering;
            Closed { reason, from }
        };
        let held = KeyError::Held {
            retry_after: Duration::from_millis(2500),
        };
        let table: [(Error, u16, Option<u64>, u32, u16); 15] = [
            (KeyError::Settling.into(), 503, Some(1), 14, 1013),
            (held.into(), 409, Some(3), 10, 1013),
            (OpenError::Draining.into(), 503, Some(1), 14, 1001),
            (OpenError::Full.into(), 503, Some(5), 8, 1013),
            (KeyError::Taken.into(), 409, None, 6, 1008),
            (KeyError::Full.into(), 429, Some(5), 8, 1013),
            (KeyError::TimedOut.into(), 503, Some(1), 14, 1013),
            (KeyError::AlreadyJoined.into(), 500, None, 13, 1011),
            (NoRuntime.into(), 500, None, 13, 1011),
            (Error::NoDeadline, 500, None, 13, 1011),
            (Error::NotInSetup, 500, None, 13, 1011),
            (Error::NotAdmitted, 406, None, 9, 1008),
            (closed(CloseReason::Shutdown).into(), 503, Some(1), 14, 1001),
            (closed(CloseReason::Superseded).into(), 409, None, 10, 1008),
            (closed(CloseReason::Expired).into(), 503, Some(1), 14, 1011),
        ];
        for (error, http, retry_after, grpc, close) in table {
            assert_eq!(error.http_status(), http, "{error}");
            assert_eq!(
                error.retry_after(),
                retry_after.map(Duration::from_secs),
                "{error}"
            );
            assert_eq!(error.is_retryable(), retry_after.is_some(), "{error}");
            assert_eq!(
                (error.grpc_code(), error.close_code()),
                (grpc, close),
                "{error}"
            );
        }
    }

    /// From whichever step it comes, one arm matches it.
    #[test]
    fn a_close_and_a_missing_runtime_are_themselves() {
        let reason = CloseReason::Idle;
        let closed = Closed {
            reason,
            from: Phase::Pending,
        };
        assert_eq!(
            Error::from(OpenError::Closed(closed)),
            Error::Closed(closed)
        );
        assert_eq!(Error::from(KeyError::Closed(closed)), Error::Closed(closed));
        assert_eq!(
            Error::from(OpenError::NoRuntime),
            Error::NoRuntime(NoRuntime)
        );
        assert_eq!(
            Error::from(KeyError::from(NoRuntime)),
            Error::NoRuntime(NoRuntime)
        );
        assert_eq!(Error::from(closed).to_string(), closed.to_string());
    }
}

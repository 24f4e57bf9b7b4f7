//! How a claim fails.

use std::time::Duration;

use hangup::runtime::NoRuntime;
use hangup::{CloseReason, Closed};

use crate::engine::EngineError;

/// A key was not claimed.
///
/// The connection has no part of the key then, and none of another one was undone; its owner may
/// have been [closed](Self::Unsettled).
///
/// It does not convert into [`hangup::Error`], which has no variant for an
/// [engine that does not answer](Self::Unavailable). What a server answers is said by
/// [`http_status`](Self::http_status) and [`retry_after`](Self::retry_after).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The connection has closed, also while it waited. As
    /// [`Superseded`](CloseReason::Superseded), if a later newcomer has claimed the key.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The time passed, and the owner, which is closed, has not settled: something that it set up
    /// is still being undone.
    #[error("the owner of the key has not settled in time")]
    Unsettled {
        /// After which time a client may come again.
        retry_after: Duration,
    },
    /// The engine does not answer, or this node has lost its lease and has no new one yet, or it
    /// is leaving.
    #[error("nothing can be claimed now")]
    Unavailable {
        /// After which time a client may come again.
        retry_after: Duration,
        /// What the engine said, if it was asked.
        #[source]
        source: Option<EngineError>,
    },
    /// This connection has claimed the key already.
    #[error("this connection has claimed the key already")]
    AlreadyClaimed,
}

impl ClaimError {
    /// After which time a client may come again: what an HTTP server answers as 503 with a
    /// `Retry-After`, in whole seconds, rounded up. `None` if it is not about time.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unsettled { retry_after } | Self::Unavailable { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Closed(_) | Self::AlreadyClaimed => None,
        }
    }

    /// The status of an HTTP response: 503 for what a later attempt may get, here or on another node;
    /// for a close that of [`hangup::Error`], which is 409 after a later newcomer.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Closed(closed) => hangup::Error::from(*closed).http_status(),
            Self::Unsettled { .. } | Self::Unavailable { .. } => 503,
            Self::AlreadyClaimed => 500,
        }
    }

    /// The reason of the close, if it is one.
    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        match self {
            Self::Closed(closed) => Some(closed.reason),
            _ => None,
        }
    }
}

/// A node could not join its cluster.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It needs tasks and time.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
    /// The engine does not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(&'static str),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hangup::{CloseReason, Closed, Phase};

    use super::ClaimError;

    #[test]
    fn a_refusal_that_may_pass_is_503_and_a_later_newcomer_is_409() {
        let retry_after = Duration::from_millis(600);
        let unavailable = ClaimError::Unavailable {
            retry_after,
            source: None,
        };
        let superseded = Closed {
            reason: CloseReason::Superseded,
            from: Phase::Registering,
        };
        let table = [
            (ClaimError::Unsettled { retry_after }, 503),
            (unavailable, 503),
            (ClaimError::AlreadyClaimed, 500),
            (superseded.into(), 409),
        ];
        for (error, status) in table {
            assert_eq!(error.http_status(), status, "{error}");
        }
    }
}

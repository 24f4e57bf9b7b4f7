//! What goes wrong in a cluster only.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use hangup::CloseReason;
use hangup_cluster::engine::EngineError;
use hangup_cluster::fan_out::{PublishError, SubscribeError};
use hangup_cluster::{ClaimError, KeyTooLong};

use super::job_router::RouterError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("this node has no lease now")]
    NoLease { retry_after: Duration },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Name(#[from] KeyTooLong),
    #[error(transparent)]
    Router(#[from] RouterError),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Claim(error) if error.reason() == Some(CloseReason::Superseded) => {
                StatusCode::CONFLICT
            }
            Self::Publish(PublishError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Name(_) => StatusCode::BAD_REQUEST,
            Self::Router(RouterError::Fenced) => StatusCode::CONFLICT,
            Self::Router(_) => StatusCode::BAD_GATEWAY,
            Self::Claim(_)
            | Self::NoLease { .. }
            | Self::Engine(_)
            | Self::Publish(_)
            | Self::Subscribe(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// When the client may come again, if it is about time.
    pub(crate) fn headers(&self) -> HeaderMap {
        let retry_after = match self {
            Self::Claim(error) => error.retry_after(),
            Self::NoLease { retry_after } => Some(*retry_after),
            _ => None,
        };
        // In whole seconds, not too early.
        let seconds = |after: Duration| after.as_nanos().div_ceil(1_000_000_000).to_string();
        let value = retry_after.and_then(|after| seconds(after).parse().ok());
        value
            .map(|value| (RETRY_AFTER, value))
            .into_iter()
            .collect()
    }
}

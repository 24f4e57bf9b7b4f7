//! What goes wrong, and what the client is told.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hangup::topic::{PublishError, SubscribeError};
use hangup::{CloseReason, Closed, KeyError, OpenError};
use serde_json::json;

#[cfg(feature = "cluster")]
use super::cluster::Refusal;
use super::upstream::NoAnswer;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    OpenError(#[from] OpenError),
    #[error(transparent)]
    Join(#[from] KeyError),
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Query(#[from] QueryRejection),
    #[error(transparent)]
    Path(#[from] PathRejection),
    #[error(transparent)]
    Body(#[from] StringRejection),
    #[error(transparent)]
    Upstream(#[from] NoAnswer),
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] Refusal),
    #[error("{0}")]
    BadRequest(String),
    #[error("the request did not come in time")]
    SlowRequest,
    #[error("this agent may not stream")]
    Forbidden,
    #[error("the agent is gone: {0}")]
    Gone(Closed),
    #[error("the agent was never here, or is forgotten")]
    NoAgent,
    #[error("no route {0}")]
    NoRoute(String),
    #[error("method not allowed")]
    WrongMethod,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Join(KeyError::Full) => StatusCode::TOO_MANY_REQUESTS,
            Self::Join(KeyError::Closed(closed)) | Self::Closed(closed)
                if closed.reason == CloseReason::Superseded =>
            {
                StatusCode::CONFLICT
            }
            Self::Upstream(NoAnswer::Connect(_) | NoAnswer::Http(_)) => StatusCode::BAD_GATEWAY,
            Self::Publish(PublishError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Publish(_)
            | Self::Subscribe(_)
            | Self::OpenError(_)
            | Self::Join(_)
            | Self::Closed(_)
            | Self::Upstream(NoAnswer::Closed(_)) => StatusCode::SERVICE_UNAVAILABLE,
            #[cfg(feature = "cluster")]
            Self::Cluster(refusal) => refusal.status(),
            Self::Query(rejection) => rejection.status(),
            Self::Path(rejection) => rejection.status(),
            Self::Body(rejection) => rejection.status(),
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Gone(_) => StatusCode::GONE,
            Self::NoAgent | Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let answer = (self.status(), Json(json!({ "error": self.to_string() })));
        #[cfg(feature = "cluster")]
        if let Self::Cluster(refusal) = &self {
            return (refusal.headers(), answer).into_response();
        }
        answer.into_response()
    }
}

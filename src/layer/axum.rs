//! The layer's connection as an extractor of axum.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::admitted::Admitted;
use super::refusal::Form;
use crate::error::{Error, KeyError, OpenError};
use crate::state::Closed;

/// The answer of the [table](Error): the status, a `Retry-After` if it makes sense to come back,
/// and the error as a text.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Form::Http.refuse(self).map(Body::from)
    }
}

/// As that of [`Error`].
impl IntoResponse for OpenError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// As that of [`Error`].
impl IntoResponse for KeyError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// As that of [`Error`].
impl IntoResponse for Closed {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// The connection of a request that was admitted. For a request that was not, since it does not
/// ask for a stream or since there is no [`Admit`](super::Admit), the rejection is
/// [`Error::NotAdmitted`]; as an `Option` it is `None`.
impl<S: Sync> FromRequestParts<S> for Admitted {
    type Rejection = Error;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::of(&head.extensions)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Admitted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(Self::of(&head.extensions).ok())
    }
}

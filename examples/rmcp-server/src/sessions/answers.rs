//! Answers to requests that a session does not take.

use std::cell::Cell;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::SessionError;

tokio::task_local! {
    static ANSWER: Cell<Option<Response>>;
}

/// Answers with what the manager says, around the service of rmcp: 503 with a `Retry-After` if a
/// session is refused, 404 if it has ended, as MCP has it. rmcp makes a 500 of each error.
///
/// For [`axum::middleware::from_fn`].
pub async fn answer(request: Request, next: Next) -> Response {
    let answered = async {
        let response = next.run(request).await;
        ANSWER.with(Cell::take).unwrap_or(response)
    };
    ANSWER.scope(Cell::default(), answered).await
}

/// Notes what `error` is answered with, if there is [`answer`] around this.
pub(super) fn note(error: SessionError) -> SessionError {
    let answer = match error {
        SessionError::Refused(error) => Some(error.into_response()),
        SessionError::Ended => {
            Some((StatusCode::NOT_FOUND, "the session has ended").into_response())
        }
        SessionError::Local(_) => None,
    };
    // An error means that there is none.
    let _: Result<(), _> = ANSWER.try_with(|it| it.set(answer));
    error
}

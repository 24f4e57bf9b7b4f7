//! The names that clients give, of workers and of agents.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::problem::Problem;

/// How many bytes a name may have. The gateway keeps names: in its registries, in its router,
/// and a while longer for those who ask why a stream has ended.
const MAX_NAME: usize = 200;

/// Says what is wrong with `name`, which is `what` to the client.
pub(crate) fn check(what: &str, name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err(format!("{what} is empty")),
        1..=MAX_NAME => Ok(()),
        _ => Err(format!("{what} has over {MAX_NAME} bytes")),
    }
}

/// The agent that the path names.
pub(crate) struct AgentId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for AgentId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        check("the agent's id", &id).map_err(Problem::BadRequest)?;
        Ok(Self(id))
    }
}

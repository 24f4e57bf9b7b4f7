//! To end connections by hand.

use hangup::report::ConnectionId;
use hangup::{CloseReason, Scope};

use crate::cooperate::cooperate;
use crate::refusal::Refusal;

const WORDS: &str = "ended in the console";

/// Ends one connection.
pub(crate) fn end_one(scope: &Scope, id: ConnectionId, reason: CloseReason) -> Result<(), Refusal> {
    let connection = scope.connection(id).ok_or(Refusal::NoConnection)?;
    let closed = connection.close_with(reason, WORDS);
    closed.map_err(Refusal::AlreadyClosed)
}

/// Ends all that hold `key` in the registry of this name, and returns how many this call ended.
///
/// # Cancel safety
///
/// A drop leaves those open that it has not come to.
pub(crate) async fn end_key(
    scope: &Scope,
    registry: &str,
    key: &str,
    reason: CloseReason,
) -> usize {
    let mut ended = 0;
    for (index, connection) in scope.handles().into_iter().enumerate() {
        let keys = connection.keys();
        if keys
            .iter()
            .any(|it| it.registry == registry && it.key == key)
        {
            ended += usize::from(connection.close_with(reason, WORDS).is_ok());
        }
        cooperate(index).await;
    }
    ended
}

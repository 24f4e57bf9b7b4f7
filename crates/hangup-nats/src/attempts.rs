//! Questions that may be asked twice.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

/// Asks until there is an answer, each time for no longer than `attempt`: servers that elect a
/// leader do not answer what is asked before they have one. The caller bounds it.
pub(crate) async fn answered<T, F: Future<Output = T>>(
    attempt: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    loop {
        if let Ok(answer) = timeout(attempt, ask()).await {
            return answer;
        }
    }
}

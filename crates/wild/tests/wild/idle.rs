//! The end of all work of a runtime with a paused clock.

use std::time::Duration;

/// Waits until no task is woken. A paused clock advances only then, so this is no wait
/// for an amount of time.
pub(crate) async fn all_idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

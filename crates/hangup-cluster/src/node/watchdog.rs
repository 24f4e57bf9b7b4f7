//! The task that ends what may not go on, at the instant at which the lease has lapsed.
//!
//! It does not wait for the renewal, which may hang for as long as the engine is away.

use std::sync::Arc;
use std::time::Duration;

use hangup::{CloseReason, Closed};

use super::seat::OnLapse;
use super::session::Session;
use super::state::{Node, Stage};

/// Watches the lease until the node has left.
pub(crate) async fn watch(node: Arc<Node>) {
    while node.stage() < Stage::Left {
        let session = node.session();
        let lease = &session.lease;
        let wait = match lease.lapsed_for() {
            _ if lease.is_lost() => None,
            None => Some(
                lease
                    .until()
                    .saturating_duration_since(node.parts.runtime.now()),
            ),
            Some(lapsed) => node.close_lapsed(&session, lapsed),
        };
        match wait {
            Some(wait) => node.wait(&node.watchdog, wait).await,
            None => node.watchdog.wait().await,
        }
    }
}

impl Node {
    /// Closes what may not be silent for so long, and says when the next one is due.
    fn close_lapsed(&self, session: &Arc<Session>, lapsed: Duration) -> Option<Duration> {
        let mut next = None::<Duration>;
        self.for_each_seat(|seat| {
            let hold = match seat.on_lapse {
                OnLapse::Close => Duration::ZERO,
                OnLapse::Hold(hold) => hold,
            };
            if !Arc::ptr_eq(&seat.session, session) {
                return;
            }
            match hold.checked_sub(lapsed).filter(|rest| !rest.is_zero()) {
                Some(rest) => next = Some(next.map_or(rest, |next| next.min(rest))),
                None => {
                    // `Err` if it had closed.
                    let _: Result<(), Closed> = seat.handle.close(CloseReason::Lost);
                    seat.gates.wake_all();
                }
            }
        });
        next
    }
}

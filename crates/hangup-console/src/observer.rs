//! The observer that remembers what the page shows of the past.

use std::fmt;
use std::sync::Arc;

use hangup::report::{DrainEvent, Settled, Transition, WaitsFor};
use hangup::{Handle, KeyError, Observer, OpenError};

use crate::recent::Recent;

const CLOSES: usize = 50;
const MOST_CLOSES: usize = 1000;

/// Remembers the latest closes of a scope, what it refused, what did not settle, and how far its
/// drain is, for a [`Console`](crate::Console).
///
/// It is made before its scope, which is built with it; all clones are the same. Beside another
/// observer, it is half of a pair.
///
/// Its memory is bounded: it keeps the latest 50 closes, or as many as it was
/// [told](Self::remembering), the latest 20 rejections and unsettled connections, and at most 240
/// bytes of each label and of the words of each close. A transition costs it a short lock if it
/// is a close, and nothing else; a refusal is a count.
///
/// A [child](hangup::Scope::child) of the scope that has no observer of its own tells it too, of
/// its drain as well.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use hangup::{Handle, Scope, report::Transition};
/// use hangup_console::ConsoleObserver;
///
/// let log = |connection: &Handle, transition: &Transition| {
///     println!("{}: {}", connection.id(), transition.to);
/// };
/// let observer = ConsoleObserver::new();
/// let scope = Scope::builder()
///     .observer((observer.clone(), log))
///     .clock(Instant::now)
///     .build();
/// # let _ = scope;
/// ```
#[derive(Clone)]
pub struct ConsoleObserver {
    pub(crate) recent: Arc<Recent>,
}

impl ConsoleObserver {
    /// An observer that remembers the latest 50 closes.
    #[must_use]
    pub fn new() -> Self {
        Self::remembering(CLOSES)
    }

    /// An observer that remembers the latest `closes`: from 1 to 1000, else the nearest of
    /// these.
    #[must_use]
    pub fn remembering(closes: usize) -> Self {
        Self {
            recent: Arc::new(Recent::new(closes.clamp(1, MOST_CLOSES))),
        }
    }
}

impl Default for ConsoleObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for ConsoleObserver {
    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        if let Some(closed) = transition.to.closed() {
            self.recent.closed(connection, closed);
        }
    }

    fn on_rejected(&self, connection: &Handle, refusal: &KeyError) {
        self.recent.rejected(connection, refusal);
    }

    fn on_settled(&self, connection: &Handle, _: &Settled) {
        self.recent.settled(connection.id());
    }

    fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
        self.recent.unsettled(connection, waits_for);
    }

    fn on_refused(&self, refused: OpenError) {
        self.recent.refused(refused);
    }

    fn on_drain(&self, event: &DrainEvent) {
        self.recent.drain(event);
    }
}

impl fmt::Debug for ConsoleObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleObserver").finish_non_exhaustive()
    }
}

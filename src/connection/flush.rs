//! What a source may still yield after a close.

use std::sync::{Mutex, PoisonError};

use crate::state::{CloseReason, Closed};

/// How many items of the source, or frames of a body, may follow a close from elsewhere.
#[derive(Default)]
pub(crate) enum Flush {
    #[default]
    Off,
    /// In a `Mutex`, which is never locked, to be `Sync`.
    Limit(Mutex<Box<dyn FnOnce(Closed) -> usize + Send>>),
    Running {
        left: usize,
        /// The source was pending in the poll before.
        was_pending: bool,
    },
}

impl Flush {
    pub(crate) fn up_to(limit: usize) -> Self {
        Self::with(move |closed| if is_wanted(closed.reason) { limit } else { 0 })
    }

    pub(crate) fn with(limit: impl FnOnce(Closed) -> usize + Send + 'static) -> Self {
        Self::Limit(Mutex::new(Box::new(limit)))
    }

    #[cfg(feature = "http-body")]
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether the source is to be polled once more.
    pub(crate) fn goes_on(&mut self, closed: Closed) -> bool {
        if let Self::Limit(_) = self {
            let Self::Limit(limit) = std::mem::take(self) else {
                unreachable!("just seen");
            };
            let limit = limit.into_inner().unwrap_or_else(PoisonError::into_inner);
            *self = Self::Running {
                left: limit(closed),
                was_pending: false,
            };
        }
        matches!(self, Self::Running { left: 1.., .. })
    }

    pub(crate) fn yielded(&mut self) {
        if let Self::Running { left, was_pending } = self {
            *left -= 1;
            *was_pending = false;
        }
    }

    /// The source is pending: `true` if it is to be polled again. A runtime whose budget is
    /// used up answers `Pending` with items ready, so only the second one in a row is
    /// believed.
    pub(crate) fn is_first_pending(&mut self) -> bool {
        match self {
            Self::Running { was_pending, .. } => !std::mem::replace(was_pending, true),
            Self::Off | Self::Limit(_) => false,
        }
    }
}

/// Whether the peer can and should still read what was meant for it.
fn is_wanted(reason: CloseReason) -> bool {
    use CloseReason::{Aborted, Failed, Lost, Overflow, Rejected, Stalled};

    !matches!(
        reason,
        Aborted | Failed | Stalled | Overflow | Lost | Rejected
    )
}

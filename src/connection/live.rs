//! The third typed state: the only one that streams.

use std::sync::Arc;

use super::owner::{Owner, owner_methods};
use crate::lifecycle::Lifecycle;

/// A connection that is set up: visible in its registries, ready to stream.
///
/// To drop it closes the connection as [`Dropped`](crate::CloseReason::Dropped).
#[must_use = "dropping it closes the connection"]
#[derive(Debug)]
pub struct Live {
    owner: Owner,
}

owner_methods!(Live);

impl Live {
    #[inline]
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner }
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        self.owner.share()
    }

    /// Another owner. The drop of either changes nothing, until
    /// [`end_hand_over`](Self::end_hand_over).
    pub(super) fn hand_on(&self) -> Self {
        self.owner.leave_open();
        Self::new(Owner::new(self.owner.share()))
    }

    /// This owner is the only one again.
    pub(super) fn end_hand_over(&self) {
        self.owner.take_back();
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Records that the peer is there, which restarts the
    /// [idle deadline](crate::Deadlines::idle).
    pub fn touch(&self) {
        self.owner.touch();
    }
}

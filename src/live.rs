//! The third typed state: the only one that streams.

use std::sync::Arc;

use crate::lifecycle::Lifecycle;
use crate::owner::{Owner, owner_methods};

/// A connection that is set up: visible in its registries, ready to stream.
///
/// Dropping it closes the connection as [`Dropped`](crate::CloseReason::Dropped).
#[must_use = "dropping it closes the connection"]
#[derive(Debug)]
pub struct Live {
    owner: Owner,
}

owner_methods!(Live);

impl Live {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner }
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        self.owner.share()
    }

    /// Says that the peer is there, which the [idle
    /// deadline](crate::Deadlines::idle) counts from.
    pub fn touch(&self) {
        self.owner.touch();
    }
}

//! The first typed state: admitted.

use super::Registering;
use super::owner::{Owner, owner_methods};
use crate::state::Closed;

/// A connection that is admitted and has acquired nothing yet.
///
/// Made by [`Scope::open`](crate::Scope::open). To drop it closes the connection as [`Dropped`](crate::CloseReason::Dropped).
#[must_use = "dropping it closes the connection"]
#[derive(Debug)]
pub struct Pending {
    owner: Owner,
}

owner_methods!(Pending);

impl Pending {
    #[inline]
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner }
    }

    /// Begins the set-up.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the connection has been closed.
    #[inline]
    pub fn register(self) -> Result<Registering, Closed> {
        self.owner.register()?;
        Ok(Registering::new(self.owner))
    }
}

//! The one owner of a connection.

use std::ops::Deref;
use std::sync::Arc;

use crate::lifecycle::{Handle, Lifecycle};
use crate::state::{CloseReason, Closed};

/// What the typed states share: to drop it closes the connection.
///
/// Not `Clone`: with one owner, its drop is the end of the connection (I2).
#[derive(Debug)]
pub(crate) struct Owner {
    lifecycle: Arc<Lifecycle>,
    /// What its drop closes the connection as. `None` if it is the owner no more.
    dropped_as: Option<CloseReason>,
}

impl Owner {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self {
            lifecycle,
            dropped_as: Some(CloseReason::Dropped),
        }
    }

    /// Whether a registry has refused the connection a place, so that the owner will go: that
    /// is not a client that vanished.
    #[inline]
    pub(super) fn set_rejected(&mut self, rejected: bool) {
        self.dropped_as = Some(if rejected {
            CloseReason::Rejected
        } else {
            CloseReason::Dropped
        });
    }

    /// Makes another one the owner, since a value that implements `Drop` cannot be moved out of.
    pub(super) fn hand_on(&mut self) -> Self {
        Self {
            lifecycle: self.share(),
            dropped_as: self.dropped_as.take(),
        }
    }

    /// Closes the connection. Then the drop of the owner has nothing more to do, unless the
    /// undo is left to it.
    pub(super) fn close(&mut self, reason: CloseReason) -> Result<(), Closed> {
        let duty = self.lifecycle.begin_to_close(reason)?;
        if duty.is_of_closer() {
            self.dropped_as = None;
        }
        self.lifecycle.discharge(duty);
        Ok(())
    }

    pub(super) fn owns(&self) -> bool {
        self.dropped_as.is_some()
    }

    /// Leaves the connection open, to its scope, which has it on its list.
    pub(super) fn leave_open(mut self) {
        self.dropped_as = None;
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.share())
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        Arc::clone(&self.lifecycle)
    }

    pub(crate) fn shared(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }
}

impl Deref for Owner {
    type Target = Lifecycle;

    #[inline]
    fn deref(&self) -> &Lifecycle {
        &self.lifecycle
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        if let Some(reason) = self.dropped_as {
            self.release(reason);
        }
    }
}

/// The methods of every typed state.
macro_rules! owner_methods {
    ($state:ident) => {
        impl $state {
            /// Closes the connection. `Ok` if this call closed it.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::Closed) if it had been closed already, with the
            /// reason that won.
            pub fn close(mut self, reason: $crate::CloseReason) -> Result<(), $crate::Closed> {
                self.owner.close(reason)
            }

            /// A handle to the connection.
            #[must_use]
            pub fn handle(&self) -> $crate::Handle {
                self.owner.handle()
            }

            /// The connection's identity.
            #[must_use]
            pub fn id(&self) -> $crate::report::ConnectionId {
                self.owner.id()
            }

            #[inline]
            pub(crate) fn lifecycle(&self) -> &$crate::lifecycle::Lifecycle {
                &self.owner
            }
        }
    };
}
pub(crate) use owner_methods;

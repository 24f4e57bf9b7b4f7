//! The one owner of a connection.

use std::ops::Deref;
use std::sync::Arc;

use crate::lifecycle::{Handle, Lifecycle};
use crate::state::CloseReason;

/// What the typed states share: to drop it closes the connection.
///
/// Not `Clone`: with one owner, its drop is the end of the connection (I2).
///
/// One pointer, so that a typed state goes from call to call in a register. What else the owner
/// has to know is in the word: whether a registry has refused it, and whether it has left the
/// connection open.
#[derive(Debug)]
pub(crate) struct Owner(Arc<Lifecycle>);

impl Owner {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self(lifecycle)
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.share())
    }

    pub(crate) fn share(&self) -> Arc<Lifecycle> {
        Arc::clone(&self.0)
    }

    pub(crate) fn shared(&self) -> &Arc<Lifecycle> {
        &self.0
    }
}

impl Deref for Owner {
    type Target = Lifecycle;

    #[inline]
    fn deref(&self) -> &Lifecycle {
        &self.0
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        self.release(CloseReason::Dropped);
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
            pub fn close(self, reason: $crate::CloseReason) -> Result<(), $crate::Closed> {
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

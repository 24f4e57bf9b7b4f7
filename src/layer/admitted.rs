//! How a handler reaches the connection that the layer has admitted for its request.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::Extensions;

use crate::connection::Registering;
use crate::error::Error;
use crate::lifecycle::{Handle, Lifecycle};
use crate::state::{CloseReason, Closed};
use crate::sync::{Mutex, lock};

/// The connection that [`Admit`](super::Admit) has admitted for a request: an extension of the
/// request, so an `Extension<Admitted>` of axum, or with the feature `axum` an extractor.
///
/// A request that was not admitted has none: see
/// [what a head does not tell](super::Admit#what-a-head-does-not-tell). A handler that needs one
/// answers [`Error::NotAdmitted`], 406, to a client that accepts anything, unless its route is
/// behind [`Admit::always`](super::Admit::always).
///
/// All clones are the same connection.
///
/// # Examples
///
/// One stream per user, and a newer one takes over:
///
/// ```
/// use hangup::layer::Admitted;
/// use hangup::{Error, Registry};
///
/// async fn events(admitted: Admitted, users: &Registry<String, ()>) -> Result<String, Error> {
///     let mut setup = admitted.setup()?;
///     setup.take_over(users, "ada".to_owned(), ()).await?;
///     Ok("data: hello\n\n".to_owned())
/// }
/// # fn check(_: impl Sized) {}
/// # check(events);
/// ```
#[derive(Clone)]
pub struct Admitted {
    slot: Arc<Slot>,
}

struct Slot {
    handle: Handle,
    setup: Mutex<Place>,
}

/// Where the set-up is.
enum Place {
    Here(Registering),
    /// A handler works on it.
    Lent,
    /// A handler has taken it for good, or it is over.
    Gone,
}

impl Admitted {
    pub(super) fn new(setup: Registering) -> Self {
        let slot = Slot {
            handle: setup.handle(),
            setup: Mutex::new(Place::Here(setup)),
        };
        Self {
            slot: Arc::new(slot),
        }
    }

    /// The connection of a request with these extensions, those of `http` or of tonic's requests.
    ///
    /// # Errors
    ///
    /// [`Error::NotAdmitted`] if the request was not admitted: it does not ask for a stream, or
    /// there is no [`Admit`](super::Admit) above the handler.
    pub fn of(extensions: &Extensions) -> Result<Self, Error> {
        extensions.get().cloned().ok_or(Error::NotAdmitted)
    }

    /// A handle to the connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.slot.handle.clone()
    }

    pub(super) fn lifecycle(&self) -> &Lifecycle {
        self.slot.handle.lifecycle()
    }

    /// Lends the set-up: to join registries, to run steps, to register undos. It goes back when
    /// what is returned is dropped.
    ///
    /// When the handler has answered, the connection goes live, or is let go of if the answer
    /// does not stream.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the connection has closed, and [`Error::NotInSetup`] if the set-up is
    /// lent already, was [taken](Self::take), or is over.
    pub fn setup(&self) -> Result<Setup, Error> {
        let setup = self.replace(Place::Lent)?;
        Ok(Setup {
            slot: Arc::clone(&self.slot),
            setup: Some(setup),
        })
    }

    /// Takes the set-up for good: for a handler that streams by itself, through
    /// [`Live::stream`](crate::Live::stream) or [`Live::run`](crate::Live::run), such as that of a
    /// WebSocket. The layer leaves its answer as it is.
    ///
    /// # Errors
    ///
    /// As [`setup`](Self::setup).
    pub fn take(&self) -> Result<Registering, Error> {
        self.replace(Place::Gone)
    }

    fn replace(&self, next: Place) -> Result<Registering, Error> {
        if let Some(closed) = self.slot.handle.state().closed() {
            return Err(closed.into());
        }
        let mut place = lock(&self.slot.setup);
        match mem::replace(&mut *place, next) {
            Place::Here(setup) => Ok(setup),
            other => {
                *place = other;
                Err(Error::NotInSetup)
            }
        }
    }

    /// Whether a handler has taken the set-up for good.
    pub(super) fn is_taken(&self) -> bool {
        matches!(&*lock(&self.slot.setup), Place::Gone)
    }

    /// The handler has answered, and the set-up is over. `None` if it is not here.
    pub(super) fn finish(&self) -> Option<Registering> {
        let place = mem::replace(&mut *lock(&self.slot.setup), Place::Gone);
        match place {
            Place::Here(setup) => Some(setup),
            Place::Lent | Place::Gone => None,
        }
    }

    /// The handler has not answered, and does not any more.
    pub(super) fn abandon(&self, reason: CloseReason) {
        let place = mem::replace(&mut *lock(&self.slot.setup), Place::Gone);
        // `Err` if it had closed.
        let _: Result<(), Closed> = match place {
            Place::Here(setup) => setup.close(reason),
            // A task of the handler's works on it: the end of the loan drops it.
            Place::Lent => self.slot.handle.close(reason),
            Place::Gone => Ok(()),
        };
    }
}

/// A set-up that is lent to a handler. Made by [`Admitted::setup`]; it dereferences to the
/// [`Registering`].
#[must_use = "dropping it ends the loan"]
pub struct Setup {
    slot: Arc<Slot>,
    setup: Option<Registering>,
}

impl Deref for Setup {
    type Target = Registering;

    fn deref(&self) -> &Registering {
        let Some(setup) = &self.setup else {
            unreachable!("it is here until the drop");
        };
        setup
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut Registering {
        let Some(setup) = &mut self.setup else {
            unreachable!("it is here until the drop");
        };
        setup
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let mut place = lock(&self.slot.setup);
        if matches!(&*place, Place::Lent) {
            if let Some(setup) = self.setup.take() {
                *place = Place::Here(setup);
            }
        }
        // Else it is over: the set-up is dropped with this, when the lock is released (I8).
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Admitted").field(&self.slot.handle).finish()
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setup").field(&self.slot.handle).finish()
    }
}

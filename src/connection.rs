//! The typed states as one value.
//!
//! None of them is `Clone`, and none can be built but from the one before it. So
//! what a state does not offer cannot be done in it: nothing is acquired before
//! there is an owner that undoes it, and nothing streams that is not live.

use crate::handle::Handle;
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::pending::Pending;
use crate::registering::Registering;
use crate::state::{CloseReason, Closed, Event, Phase, State, TransitionError};

/// A connection in whichever state it is: for code that keeps one in a field.
///
/// The states convert into it, and [`register`](Self::register) and
/// [`go_live`](Self::go_live) move it on in place. What a state can do is done
/// on the state itself, by matching.
///
/// # Examples
///
/// ```
/// use hangup::{Connection, Scope, State};
///
/// let mut connection = Connection::from(Scope::new().open()?);
/// connection.register()?;
/// if let Connection::Registering(setup) = &mut connection {
///     setup.hold("a permit");
/// }
/// connection.go_live()?;
/// assert_eq!(connection.state(), State::Live);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Connection {
    /// Admitted, nothing acquired yet.
    Pending(Pending),
    /// Being set up.
    Registering(Registering),
    /// Set up.
    Live(Live),
    /// Ended.
    Closed(Closed),
}

impl Connection {
    /// The state at this instant.
    ///
    /// `Closed` as soon as the connection has closed, while the variant is still
    /// the one that this value was moved to last.
    #[must_use]
    pub fn state(&self) -> State {
        match self.lifecycle() {
            Ok(lifecycle) => lifecycle.state(),
            Err(closed) => State::Closed(closed),
        }
    }

    /// A handle to the connection, or `None` from the variant `Closed`.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Self::Pending(pending) => Some(pending.handle()),
            Self::Registering(setup) => Some(setup.handle()),
            Self::Live(live) => Some(live.handle()),
            Self::Closed(_) => None,
        }
    }

    /// Begins the set-up.
    ///
    /// # Errors
    ///
    /// What [`State::apply`] says of this state and [`Event::Register`]. If the
    /// connection was closed meanwhile, this becomes `Closed`.
    pub fn register(&mut self) -> Result<(), TransitionError> {
        self.move_on(Event::Register)
    }

    /// Completes the set-up.
    ///
    /// # Errors
    ///
    /// What [`State::apply`] says of this state and [`Event::GoLive`]. If the
    /// connection was closed meanwhile, this becomes `Closed`.
    pub fn go_live(&mut self) -> Result<(), TransitionError> {
        self.move_on(Event::GoLive)
    }

    /// Closes the connection and becomes `Closed`. `Ok` if this call closed it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it had been closed already, with the reason that won.
    pub fn close(&mut self, reason: CloseReason) -> Result<(), Closed> {
        let lifecycle = self.lifecycle()?;
        let result = lifecycle.close(reason);
        if let State::Closed(closed) = lifecycle.state() {
            *self = Self::Closed(closed);
        }
        result
    }

    fn lifecycle(&self) -> Result<&Lifecycle, Closed> {
        match self {
            Self::Pending(pending) => Ok(pending.lifecycle()),
            Self::Registering(setup) => Ok(setup.lifecycle()),
            Self::Live(live) => Ok(live.lifecycle()),
            Self::Closed(closed) => Err(*closed),
        }
    }

    fn move_on(&mut self, event: Event) -> Result<(), TransitionError> {
        // Asked first, so that what does not fit leaves everything as it was.
        if let Err(error) = self.state().apply(event) {
            if let TransitionError::Closed(closed) = error {
                *self = Self::Closed(closed);
            }
            return Err(error);
        }
        // What stays here if a panic passes through: the owner is dropped then.
        let dropped = Self::Closed(Closed {
            reason: CloseReason::Dropped,
            from: match event {
                Event::Register | Event::Close(_) => Phase::Pending,
                Event::GoLive => Phase::Registering,
            },
        });
        let moved = match (std::mem::replace(self, dropped), event) {
            (Self::Pending(pending), Event::Register) => pending.register().map(Self::Registering),
            (Self::Registering(setup), Event::GoLive) => setup.go_live().map(Self::Live),
            (other, event) => unreachable!("{} took {event}", other.state()),
        };
        match moved {
            Ok(next) => {
                *self = next;
                Ok(())
            }
            Err(closed) => {
                *self = Self::Closed(closed);
                Err(closed.into())
            }
        }
    }
}

impl From<Pending> for Connection {
    fn from(pending: Pending) -> Self {
        Self::Pending(pending)
    }
}

impl From<Registering> for Connection {
    fn from(setup: Registering) -> Self {
        Self::Registering(setup)
    }
}

impl From<Live> for Connection {
    fn from(live: Live) -> Self {
        Self::Live(live)
    }
}

impl From<Closed> for Connection {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}

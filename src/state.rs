//! The state machine itself: pure values, no atomics, no allocation.
//!
//! [`State::apply`] is the specification. The atomic word packs its states, the typed
//! states are its arrows, and the tests check both against it.

use core::fmt;
use core::str::FromStr;

/// Where a connection stands in its life.
///
/// ```text
///            Register                 GoLive
///   Pending ──────────▶ Registering ──────────▶ Live
///      │                     │                    │
///      └── Close(reason) ────┴── Close(reason) ───┴──▶ Closed { reason, from }
/// ```
///
/// - `Pending`: admitted, nothing acquired yet.
/// - `Registering`: acquiring what the connection needs; no lookup finds it.
/// - `Live`: set up, visible in its registries, streaming.
/// - `Closed`: terminal. The first reason wins and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Admitted, nothing acquired yet.
    Pending,
    /// Acquiring; no lookup finds it.
    Registering,
    /// Set up, visible and streaming.
    Live,
    /// Ended, for a reason that never changes.
    Closed(Closed),
}

/// A state that can still end: all of [`State`] but `Closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The phase of [`State::Pending`].
    Pending,
    /// The phase of [`State::Registering`].
    Registering,
    /// The phase of [`State::Live`].
    Live,
}

/// What can happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Set-up begins.
    Register,
    /// Set-up is complete.
    GoLive,
    /// The connection ends.
    Close(CloseReason),
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])* $name:ident = $code:literal, $text:literal; )*) => {
        /// Why a connection ended.
        ///
        /// The first reason wins: a client that vanishes while the server shuts down is
        /// either `Dropped` or `Shutdown`, depending on which came first, and stays that.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum CloseReason {
            $( $(#[doc = $doc])* $name, )*
            /// The application's own reason, under the application's own code.
            App(u16),
        }

        impl CloseReason {
            /// How many reasons the table has.
            pub(crate) const NAMED: usize = [$( $text ),*].len();

            /// The number under which the word and the totals keep this reason.
            pub(crate) const fn code(self) -> u32 {
                match self {
                    $( Self::$name => $code, )*
                    Self::App(_) => APP,
                }
            }

            /// As its `Display` writes it, without a code of the application.
            #[cfg(feature = "metrics")]
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )*
                    Self::App(_) => "app",
                }
            }

            /// The reason with this code; `app` is the code of the application.
            pub(crate) const fn from_code(code: u32, app: u16) -> Self {
                match code {
                    $( $code => Self::$name, )*
                    APP => Self::App(app),
                    _ => panic!("no close reason has this code"),
                }
            }
        }

        /// Reads what its `Display` writes.
        impl FromStr for CloseReason {
            type Err = ParseReasonError;

            fn from_str(text: &str) -> Result<Self, ParseReasonError> {
                match text {
                    $( $text => Ok(Self::$name), )*
                    _ => app_code(text).map(Self::App).ok_or(ParseReasonError),
                }
            }
        }

        impl fmt::Display for CloseReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$name => f.write_str($text), )*
                    Self::App(code) => write!(f, "app({code})"),
                }
            }
        }

        #[cfg(test)]
        pub(crate) const EVERY_REASON: [CloseReason; CloseReason::NAMED + 3] = [
            $( CloseReason::$name, )*
            CloseReason::App(0),
            CloseReason::App(1),
            CloseReason::App(u16::MAX),
        ];
    };
}

/// The [code](CloseReason::code) of [`CloseReason::App`]: the one after the table, so that a
/// code is the discriminant of its variant.
pub(crate) const APP: u32 = CloseReason::NAMED as u32;

// The one table of reasons: its codes are consecutive from 0.
reasons! {
    /// The source ended by itself.
    Completed = 0, "completed";
    /// The owner was dropped: the transport gave up on the body because the client is
    /// gone, or the handler's future was dropped in mid set-up, or the set-up returned
    /// early, with `?` for instance.
    Dropped = 1, "dropped";
    /// A signal that the connection was bound to has fired.
    Aborted = 2, "aborted";
    /// A set-up step, the source, the loop or a task panicked; or the application closed
    /// the connection so because something failed.
    Failed = 3, "failed";
    /// A newer connection took over the key.
    Superseded = 4, "superseded";
    /// The server is shutting down.
    Shutdown = 5, "shutdown";
    /// Nothing was heard from the peer for too long.
    Idle = 6, "idle";
    /// The peer has stopped reading.
    Stalled = 7, "stalled";
    /// A set-up deadline or a maximum age has passed.
    Expired = 8, "expired";
    /// The peer reads more slowly than it is sent to.
    Overflow = 9, "overflow";
    /// A registry refused the connection a place under its key.
    Rejected = 10, "rejected";
    /// Its lease on something was lost. Unlike after `Superseded`, the client may come back
    /// at once.
    Lost = 11, "lost";
}

fn app_code(text: &str) -> Option<u16> {
    let code = text.strip_prefix("app(")?.strip_suffix(')')?;
    // A number may have a sign, and zeros before it.
    let number = code.parse::<u16>().ok()?;
    (number.to_string() == code).then_some(number)
}

/// A text is not a [`CloseReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("no reason of a close")]
#[non_exhaustive]
pub struct ParseReasonError;

/// How a connection ended: the reason, and the phase it was in.
///
/// As a value, this is the last of the four states. As an error, this is what every
/// operation on a closed connection returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("connection closed while {from}: {reason}")]
pub struct Closed {
    /// Why it ended.
    pub reason: CloseReason,
    /// The phase in which it ended.
    pub from: Phase,
}

/// An event that has no arrow from the state it met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// The connection has ended already.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The event does not belong to this state.
    #[error("cannot {event} while {state}")]
    OutOfOrder {
        /// The state, which is unchanged.
        state: State,
        /// The event that it does not take.
        event: Event,
    },
}

impl State {
    /// The state that `event` leads to from this one.
    ///
    /// Total and pure: every state takes every event and answers with the next state or
    /// with an error that says why the event has no arrow from here.
    ///
    /// # Errors
    ///
    /// - [`TransitionError::Closed`] if this is `Closed`: the state is terminal
    ///   and the error carries the reason that won.
    /// - [`TransitionError::OutOfOrder`] if the event has no arrow from here.
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::state::Event;
    /// use hangup::{CloseReason, Phase, State};
    ///
    /// const LIVE: State = match State::Registering.apply(Event::GoLive) {
    ///     Ok(next) => next,
    ///     Err(_) => panic!("registering goes live"),
    /// };
    /// assert_eq!(LIVE, State::Live);
    ///
    /// let closed = LIVE.apply(Event::Close(CloseReason::Idle)).unwrap();
    /// assert_eq!(closed.closed().unwrap().from, Phase::Live);
    /// assert!(closed.apply(Event::Close(CloseReason::Shutdown)).is_err());
    /// ```
    pub const fn apply(self, event: Event) -> Result<Self, TransitionError> {
        match (self, event) {
            (Self::Pending, Event::Register) => Ok(Self::Registering),
            (Self::Registering, Event::GoLive) => Ok(Self::Live),
            (Self::Pending, Event::Close(reason)) => Ok(closed(reason, Phase::Pending)),
            (Self::Registering, Event::Close(reason)) => Ok(closed(reason, Phase::Registering)),
            (Self::Live, Event::Close(reason)) => Ok(closed(reason, Phase::Live)),
            // Terminal: nothing leaves `Closed`, and its first reason stays.
            (Self::Closed(closed), Event::Register | Event::GoLive | Event::Close(_)) => {
                Err(TransitionError::Closed(closed))
            }
            (state @ Self::Pending, Event::GoLive)
            | (state @ Self::Registering, Event::Register)
            | (state @ Self::Live, Event::Register | Event::GoLive) => {
                Err(TransitionError::OutOfOrder { state, event })
            }
        }
    }

    /// How the connection ended, or `None` while it is open.
    #[must_use]
    pub const fn closed(self) -> Option<Closed> {
        match self {
            Self::Closed(closed) => Some(closed),
            Self::Pending | Self::Registering | Self::Live => None,
        }
    }

    /// The phase of an open connection, or `None` once it has ended.
    #[must_use]
    pub const fn phase(self) -> Option<Phase> {
        match self {
            Self::Pending => Some(Phase::Pending),
            Self::Registering => Some(Phase::Registering),
            Self::Live => Some(Phase::Live),
            Self::Closed(_) => None,
        }
    }

    /// Whether this is `Live`.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether this is `Closed`.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

const fn closed(reason: CloseReason, from: Phase) -> State {
    State::Closed(Closed { reason, from })
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Registering => f.write_str("registering"),
            Self::Live => f.write_str("live"),
            Self::Closed(_) => f.write_str("closed"),
        }
    }
}

impl Phase {
    pub(crate) const COUNT: usize = 3;
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Registering => "registering",
            Self::Live => "live",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register => f.write_str("register"),
            Self::GoLive => f.write_str("go live"),
            Self::Close(reason) => write!(f, "close ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{
        APP, CloseReason, Closed, EVERY_REASON, Event, ParseReasonError, Phase, State,
        TransitionError,
    };

    const IDLE: Closed = Closed {
        reason: CloseReason::Idle,
        from: Phase::Live,
    };

    /// Every state times every event, written out by hand.
    #[test]
    fn apply_is_the_table() {
        use CloseReason::Aborted;
        use Event::{Close, GoLive, Register};
        use State::{Live, Pending, Registering};

        let closes = |from| {
            Ok(State::Closed(Closed {
                reason: Aborted,
                from,
            }))
        };
        let refuses = |state, event| Err(TransitionError::OutOfOrder { state, event });
        let over = Err(TransitionError::Closed(IDLE));
        let ended = State::Closed(IDLE);

        let table = [
            (Pending, Register, Ok(Registering)),
            (Pending, GoLive, refuses(Pending, GoLive)),
            (Pending, Close(Aborted), closes(Phase::Pending)),
            (Registering, Register, refuses(Registering, Register)),
            (Registering, GoLive, Ok(Live)),
            (Registering, Close(Aborted), closes(Phase::Registering)),
            (Live, Register, refuses(Live, Register)),
            (Live, GoLive, refuses(Live, GoLive)),
            (Live, Close(Aborted), closes(Phase::Live)),
            (ended, Register, over),
            (ended, GoLive, over),
            (ended, Close(Aborted), over),
        ];
        for (state, event, expected) in table {
            assert_eq!(state.apply(event), expected, "{state} + {event}");
        }
    }

    #[test]
    fn the_codes_of_the_reasons_are_consecutive_and_below_that_of_the_application() {
        for (code, reason) in (0..).zip(&EVERY_REASON[..CloseReason::NAMED]) {
            assert_eq!(reason.code(), code, "{reason}");
            assert!(code < APP);
        }
        for reason in EVERY_REASON {
            let app = match reason {
                CloseReason::App(app) => app,
                _ => 0,
            };
            assert_eq!(CloseReason::from_code(reason.code(), app), reason);
        }
    }

    #[test]
    fn every_reason_is_parsed_from_what_it_prints_and_nothing_else_is() {
        for reason in EVERY_REASON {
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
        let others = [
            "",
            "Lost",
            " lost",
            "lost ",
            "app",
            "app()",
            "app(+1)",
            "app(01)",
            "app(-1)",
            "app(65536)",
            "app(1",
            "app(1))",
        ];
        for other in others {
            assert_eq!(
                other.parse::<CloseReason>(),
                Err(ParseReasonError),
                "{other:?}"
            );
        }
    }

    #[test]
    fn three_phases_and_their_ends_are_all_that_is_reachable() {
        let closes = EVERY_REASON.map(Event::Close);
        let events = [&[Event::Register, Event::GoLive], &closes[..]].concat();

        let mut reached = HashSet::from([State::Pending]);
        let mut new = vec![State::Pending];
        while let Some(state) = new.pop() {
            for event in &events {
                match state.apply(*event) {
                    Ok(next) => new.extend(reached.insert(next).then_some(next)),
                    // The first reason stays.
                    Err(TransitionError::Closed(closed)) => {
                        assert_eq!(state.closed(), Some(closed));
                    }
                    Err(TransitionError::OutOfOrder { .. }) => assert!(!state.is_closed()),
                }
                assert!(
                    !state.is_closed() || state.apply(*event).is_err(),
                    "{state} + {event}"
                );
            }
        }

        let phases = [Phase::Pending, Phase::Registering, Phase::Live];
        let ends = phases
            .into_iter()
            .flat_map(|from| EVERY_REASON.map(|reason| State::Closed(Closed { reason, from })));
        let open = [State::Pending, State::Registering, State::Live];
        assert_eq!(reached, open.into_iter().chain(ends).collect());
    }

    #[test]
    fn states_know_what_they_are() {
        let table = [
            (State::Pending, false, None),
            (State::Registering, false, None),
            (State::Live, true, None),
            (State::Closed(IDLE), false, Some(IDLE)),
        ];
        for (state, is_live, closed) in table {
            assert_eq!(state.is_live(), is_live, "{state}");
            assert_eq!(state.is_closed(), closed.is_some(), "{state}");
            assert_eq!(state.closed(), closed, "{state}");
        }
    }

    #[test]
    fn errors_read_as_sentences() {
        assert_eq!(IDLE.to_string(), "connection closed while live: idle");
        let early = State::Pending.apply(Event::GoLive).unwrap_err();
        assert_eq!(early.to_string(), "cannot go live while pending");
        let late = State::Closed(IDLE).apply(Event::Register).unwrap_err();
        assert_eq!(late.to_string(), IDLE.to_string());
    }
}

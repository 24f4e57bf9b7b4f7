//! What keeps a closed connection from settling.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// The name under which a task, an undo or a goodbye is reported.
pub(crate) type Name = Cow<'static, str>;

/// A name, and the place in the application's code that gave it.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: Name,
    pub(crate) place: &'static Location<'static>,
}

impl Label {
    /// With the place of the caller of the function that calls this one.
    #[track_caller]
    pub(crate) fn here(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            place: Location::caller(),
        }
    }
}

/// What a connection that has closed waits for before it settles. Returned by
/// [`Handle::waits_for`](crate::Handle::waits_for).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// Its owner, who undoes: in its next call into this crate, or when it is dropped.
    Owner {
        /// The latest step that was pending.
        step: Option<&'static Location<'static>>,
    },
    /// A task of the connection, which ends before the undo begins.
    Task {
        /// Its name; `None` for a task that a close ends.
        name: Option<Cow<'static, str>>,
        /// Where it was begun.
        place: &'static Location<'static>,
    },
    /// A goodbye that was begun at this place.
    Farewell(&'static Location<'static>),
    /// An undo that is not over.
    Undo {
        /// Its name.
        name: Cow<'static, str>,
        /// Where it was registered.
        place: &'static Location<'static>,
    },
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { step: None } => f.write_str("its owner"),
            Self::Owner { step: Some(place) } => write!(f, "its owner, last in a step at {place}"),
            Self::Task { name: None, place } => write!(f, "a task from {place}"),
            Self::Task {
                name: Some(name),
                place,
            } => write!(f, "the task `{name}` from {place}"),
            Self::Farewell(place) => write!(f, "the farewell at {place}"),
            Self::Undo { name, place } => write!(f, "the undo `{name}` from {place}"),
        }
    }
}

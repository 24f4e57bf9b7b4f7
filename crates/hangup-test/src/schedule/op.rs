//! What can be done, and what comes of it.

use std::fmt;

use hangup::CloseReason;

/// One operation. Connections, scopes, registries and keys are numbers from 0 on, so
/// that they can be indexes. The first number is that of the connection, if there is one.
///
/// A connection has an owner, a handler say, from `Open` to `Drop`. If the connection is
/// closed from elsewhere meanwhile, the owner learns it by [`Outcome::Closed`].
/// `Register` and `GoLive` are its last words then; after anything else it is as
/// stubborn as a handler that ignores the error, and may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// A connection comes in to this scope, and is admitted or `Refused`. Its number is
    /// the next one; a number is never used again.
    Open(usize, usize),
    /// Its set-up begins.
    Register(usize),
    /// It takes a place, where it has none, visible from `GoLive` on; or it is `Refused`.
    /// [`Registering::join`](hangup::Registering::join) says when, and what becomes of
    /// those that it replaces.
    Join(usize, Place),
    /// It closes all that hold the key as `Superseded` and takes the place; or it `Waits`
    /// until the last of them is undone, as
    /// [`Registering::take_over`](hangup::Registering::take_over) says.
    TakeOver(usize, Place),
    /// An asynchronous step of its set-up begins, and `Waits`. From now on there is
    /// something to be undone when it closes.
    BeginStep(usize),
    /// What the step waits for is there, and the step is polled. A manager that looks
    /// only later whether the connection has closed may answer `Done` though it has.
    CompleteStep(usize),
    /// The step or the take-over that it is in is polled: it `Waits`, or the take-over is
    /// `Done`, or it ends with `Closed`.
    Poll(usize),
    /// The owner gives up the step or the take-over that it waits in, at a timeout say, and
    /// goes on with its set-up. An abandoned step remains to be undone; an abandoned
    /// take-over gives its place back. That is `Done` in any case.
    Cancel(usize),
    /// Its set-up is complete. Whom it replaces is closed as `Superseded`.
    GoLive(usize),
    /// It is closed by anybody but its owner, maybe not for the first time: `Closed` if
    /// it had ended already.
    Close(usize, CloseReason),
    /// Its owner is dropped, with whatever it waits in. It closes as `Dropped`, if it has
    /// not ended yet. That is `Done` in any case.
    Drop(usize),
    /// All that hold a key are closed, in mid set-up or not. The outcome is the `Count` of
    /// those that had not ended yet.
    CloseKey(Place, CloseReason),
    /// All of this scope are closed, in mid set-up or not. The outcome is the `Count` of
    /// those that had not ended yet.
    CloseAll(usize, CloseReason),
    /// Nothing is admitted to this scope any more. What is open stays open.
    BeginDrain(usize),
}

/// A key of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The registry.
    pub registry: usize,
    /// The key in it.
    pub key: usize,
}

/// An [`Op`] without what it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`Op::Open`].
    Open,
    /// [`Op::Register`].
    Register,
    /// [`Op::Join`].
    Join,
    /// [`Op::TakeOver`].
    TakeOver,
    /// [`Op::BeginStep`].
    BeginStep,
    /// [`Op::CompleteStep`].
    CompleteStep,
    /// [`Op::Poll`].
    Poll,
    /// [`Op::Cancel`].
    Cancel,
    /// [`Op::GoLive`].
    GoLive,
    /// [`Op::Close`].
    Close,
    /// [`Op::Drop`].
    Drop,
    /// [`Op::CloseKey`].
    CloseKey,
    /// [`Op::CloseAll`].
    CloseAll,
    /// [`Op::BeginDrain`].
    BeginDrain,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Open,
        Self::Register,
        Self::Join,
        Self::TakeOver,
        Self::BeginStep,
        Self::CompleteStep,
        Self::Poll,
        Self::Cancel,
        Self::GoLive,
        Self::Close,
        Self::Drop,
        Self::CloseKey,
        Self::CloseAll,
        Self::BeginDrain,
    ];
}

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was begun, and its owner waits.
    Waits,
    /// It was not admitted: to the scope, or to the key.
    Refused,
    /// The connection had ended before.
    Closed,
    /// So many were closed. Whoever does not count says `Done`.
    Count(usize),
}

impl Op {
    /// What it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Open(..) => Kind::Open,
            Self::Register(_) => Kind::Register,
            Self::Join(..) => Kind::Join,
            Self::TakeOver(..) => Kind::TakeOver,
            Self::BeginStep(_) => Kind::BeginStep,
            Self::CompleteStep(_) => Kind::CompleteStep,
            Self::Poll(_) => Kind::Poll,
            Self::Cancel(_) => Kind::Cancel,
            Self::GoLive(_) => Kind::GoLive,
            Self::Close(..) => Kind::Close,
            Self::Drop(_) => Kind::Drop,
            Self::CloseKey(..) => Kind::CloseKey,
            Self::CloseAll(..) => Kind::CloseAll,
            Self::BeginDrain(_) => Kind::BeginDrain,
        }
    }

    /// The connection that does it or that it is done to, if it is one.
    #[must_use]
    pub fn connection(mut self) -> Option<usize> {
        self.connection_mut().map(|connection| *connection)
    }

    pub(super) fn connection_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Open(who, _)
            | Self::Register(who)
            | Self::Join(who, _)
            | Self::TakeOver(who, _)
            | Self::BeginStep(who)
            | Self::CompleteStep(who)
            | Self::Poll(who)
            | Self::Cancel(who)
            | Self::GoLive(who)
            | Self::Close(who, _)
            | Self::Drop(who) => Some(who),
            Self::CloseKey(..) | Self::CloseAll(..) | Self::BeginDrain(_) => None,
        }
    }

    pub(super) fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::Join(_, at) | Self::TakeOver(_, at) | Self::CloseKey(at, _) => Some(at),
            _ => None,
        }
    }

    pub(super) fn scope_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Open(_, scope) | Self::CloseAll(scope, _) | Self::BeginDrain(scope) => {
                Some(scope)
            }
            _ => None,
        }
    }

    pub(super) fn reason_mut(&mut self) -> Option<&mut CloseReason> {
        match self {
            Self::Close(_, why) | Self::CloseKey(_, why) | Self::CloseAll(_, why) => Some(why),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of registry {}", self.key, self.registry)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(connection) = self.connection() {
            write!(f, "connection {connection} ")?;
        }
        match self {
            Self::Open(_, scope) => write!(f, "opens in scope {scope}"),
            Self::Register(_) => f.write_str("registers"),
            Self::Join(_, at) => write!(f, "joins under {at}"),
            Self::TakeOver(_, at) => write!(f, "takes over {at}"),
            Self::BeginStep(_) => f.write_str("begins a step"),
            Self::CompleteStep(_) => f.write_str("completes its step"),
            Self::Poll(_) => f.write_str("is polled"),
            Self::Cancel(_) => f.write_str("gives up what it waits in"),
            Self::GoLive(_) => f.write_str("goes live"),
            Self::Close(_, why) => write!(f, "is closed: {why}"),
            Self::Drop(_) => f.write_str("is dropped"),
            Self::CloseKey(at, why) => write!(f, "all under {at} are closed: {why}"),
            Self::CloseAll(scope, why) => write!(f, "all in scope {scope} are closed: {why}"),
            Self::BeginDrain(scope) => write!(f, "scope {scope} begins to drain"),
        }
    }
}

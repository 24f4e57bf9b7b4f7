//! Operations and their outcomes.

use std::fmt;

use hangup::CloseReason;

/// An operation. Connections, scopes, registries and keys are numbers from 0, so that
/// they can be indexes. The first number is that of the connection, if there is one.
///
/// A connection has an owner, for instance a handler, from `Open` to `Drop`. If the
/// connection is closed by other code, the owner learns it from [`Outcome::Closed`].
/// After `Register` or `GoLive` returns `Closed`, the owner does nothing more. After any
/// other operation it may go on, like a handler that ignores the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// A connection opens in this scope and is admitted or `Refused`. Its number is the
    /// next one; numbers are never reused.
    Open(usize, usize),
    /// The set-up of the connection begins.
    Register(usize),
    /// The connection takes a place that it does not hold, visible from `GoLive` on, or
    /// it is `Refused`. [`Registering::join`](hangup::Registering::join) specifies when,
    /// and which connections it replaces.
    Join(usize, Place),
    /// The connection closes all holders of the key as `Superseded` and takes the place.
    /// It `Waits` until all of them are undone, as
    /// [`Registering::take_over`](hangup::Registering::take_over) specifies.
    TakeOver(usize, Place),
    /// An asynchronous step of the set-up begins and `Waits`. From now on, a close has
    /// this step to undo.
    BeginStep(usize),
    /// The wait of the step completes, and the step is polled. A manager that notices a
    /// close only later may return `Done` after it.
    CompleteStep(usize),
    /// The step or the take-over is polled. The outcome is `Waits`, `Closed`, or `Done`
    /// for a take-over.
    Poll(usize),
    /// The owner drops the step or the take-over in which it waits, for instance at a
    /// timeout, and continues the set-up. A close still undoes the dropped step. A
    /// dropped take-over gives its place back. The outcome is always `Done`.
    Cancel(usize),
    /// The set-up is complete. The connections that this one replaces are closed as
    /// `Superseded`.
    GoLive(usize),
    /// The connection is closed by code other than its owner. The outcome is `Closed` if
    /// it was closed before.
    Close(usize, CloseReason),
    /// The owner is dropped, together with the step or the take-over in which it waits.
    /// The connection closes as `Dropped` unless it was closed before. The outcome is
    /// always `Done`.
    Drop(usize),
    /// All holders of a key are closed, including those in their set-up. The outcome is
    /// the `Count` of those that were open.
    CloseKey(Place, CloseReason),
    /// All connections of this scope are closed, including those in their set-up. The
    /// outcome is the `Count` of those that were open.
    CloseAll(usize, CloseReason),
    /// This scope admits no connection from now on. Open connections stay open.
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

/// The kind of an [`Op`].
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

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The operation was done.
    Done,
    /// The operation began, and its owner waits.
    Waits,
    /// The scope or the key did not admit the connection.
    Refused,
    /// The connection was closed before.
    Closed,
    /// This many connections were closed. A manager that does not count returns `Done`.
    Count(usize),
}

impl Op {
    /// Returns the kind of the operation.
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

    /// Returns the connection that acts or that is acted on, if there is one.
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

//! What the author of an engine gives.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hangup::runtime::{self, Runtime};

use crate::engine::{Claims, Hints, Log};

/// What a subject is asked to do.
pub type Doing<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// An engine under test, as its author gives it to the suite.
///
/// The checks use names of their own, so that one engine may serve all of them, also one that
/// has served earlier runs. Those that [pause](Self::pause) it, [restart](Self::restart) it or
/// make it [forget](Self::forget) disturb what runs beside them: [`run`](super::run) runs one check after
/// the other; tests that run side by side give each its own engine.
pub trait Subject: Send + Sync {
    /// A further node, with a connection of its own.
    fn node(&self) -> Doing<'_, Node>;

    /// How exact its times are.
    fn timing(&self) -> Timing;

    /// What the suite waits by, between two looks at a time to live, and for an answer that does
    /// not come. For an engine in another process these are real seconds: a time to live is the
    /// engine's own, and there is no event that tells its end.
    ///
    /// Unless it is overridden, it is [that of the thread](runtime::current).
    ///
    /// # Panics
    ///
    /// Unless it is overridden, if the thread is in no runtime.
    fn runtime(&self) -> Arc<dyn Runtime> {
        runtime::current().expect("the suite runs in a runtime, or the subject gives one")
    }

    /// Kills the engine, starts it again, and returns when it serves. It may lose nothing that
    /// it has acknowledged.
    ///
    /// `None`, if that is not offered.
    fn restart(&self) -> Option<Doing<'_, ()>> {
        None
    }

    /// Makes the engine answer nothing, until [`resume`](Self::resume): its process is stopped, or
    /// the network between it and the nodes is.
    ///
    /// `None`, if that is not offered.
    fn pause(&self) -> Option<Doing<'_, ()>> {
        None
    }

    /// Ends what [`pause`](Self::pause) began. Nothing is lost. Nodes may need some time to
    /// connect again.
    fn resume(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Kills the engine, removes all that it has, starts it again, and returns when it serves.
    ///
    /// `None`, if that is not offered.
    fn forget(&self) -> Option<Doing<'_, ()>> {
        None
    }

    /// The most bytes of a value, a hint and an item. Larger ones are
    /// [`TooLarge`](crate::engine::EngineError::TooLarge).
    ///
    /// `None`, if it is not known.
    fn max_size(&self) -> Option<usize> {
        None
    }

    /// The most items that a topic keeps. It may keep more for a while, but not twice as many
    /// when twice as many have been published.
    ///
    /// `None`, if it is not known, or too large for a test.
    fn kept_items(&self) -> Option<usize> {
        None
    }

    /// Whether the log appends an item once that is published again under the same id.
    fn remembers_ids(&self) -> bool {
        false
    }
}

/// A node of an engine: what it offers of the three traits.
#[derive(Clone, Default)]
pub struct Node {
    pub(super) claims: Option<Arc<dyn Claims>>,
    pub(super) hints: Option<Arc<dyn Hints>>,
    pub(super) log: Option<Arc<dyn Log>>,
}

impl Node {
    /// A node of an engine that is all three.
    #[must_use]
    pub fn of(engine: impl Claims + Hints + Log) -> Self {
        let engine = Arc::new(engine);
        Self {
            claims: Some(engine.clone()),
            hints: Some(engine.clone()),
            log: Some(engine),
        }
    }

    /// The node with these claims.
    #[must_use]
    pub fn claims(self, claims: impl Claims) -> Self {
        Self {
            claims: Some(Arc::new(claims)),
            ..self
        }
    }

    /// The node with these hints.
    #[must_use]
    pub fn hints(self, hints: impl Hints) -> Self {
        Self {
            hints: Some(Arc::new(hints)),
            ..self
        }
    }

    /// The node with this log.
    #[must_use]
    pub fn log(self, log: impl Log) -> Self {
        Self {
            log: Some(Arc::new(log)),
            ..self
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("claims", &self.claims.is_some())
            .field("hints", &self.hints.is_some())
            .field("log", &self.log.is_some())
            .finish()
    }
}

/// How exact the times of an engine are.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub(super) ttl: Duration,
    pub(super) early: Duration,
    pub(super) late: Duration,
    pub(super) patience: Duration,
}

impl Timing {
    /// Records live for `smallest_ttl` in the checks: the smallest that the engine offers, or one
    /// that makes them quick, but far longer than a call.
    #[must_use]
    pub const fn new(smallest_ttl: Duration) -> Self {
        Self {
            ttl: smallest_ttl,
            early: Duration::ZERO,
            late: Duration::from_secs(1),
            patience: Duration::from_secs(10),
        }
    }

    /// How much too early a record may go. Unless it is set, never: an engine whose clock is
    /// coarse says how coarse it is.
    #[must_use]
    pub const fn early(self, early: Duration) -> Self {
        Self { early, ..self }
    }

    /// How much too late a record may go. Unless it is set, 1 s.
    #[must_use]
    pub const fn late(self, late: Duration) -> Self {
        Self { late, ..self }
    }

    /// How long what has to come is waited for. Unless it is set, 10 s.
    #[must_use]
    pub const fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

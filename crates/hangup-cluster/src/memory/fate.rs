//! What happens to a call on its way.

use std::time::Duration;

/// A call that a node makes of its engine, as a fault sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its running number on this [`Link`](super::Link), from 1.
    pub number: u64,
    /// What is called.
    pub method: Method,
    /// The name of the record, inbox or topic. It is empty for [`Method::Adopt`].
    pub name: String,
}

impl Call {
    /// Whether it changes what the engine holds.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        matches!(self.method, Method::Swap | Method::Publish)
    }
}

/// A method of the three traits of an [`engine`](crate::engine).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum Method {
    Adopt,
    Load,
    Swap,
    Send,
    Listen,
    Publish,
    End,
    Read,
    Start,
}

/// What happens to a [`Call`].
///
/// A delay that is not shorter than the
/// [time within which a call is answered](super::MemoryBuilder::timeout) makes the outcome
/// unknown at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fate {
    /// It is answered.
    #[default]
    Answer,
    /// Its outcome is unknown at once.
    Lose {
        /// Whether it has taken effect.
        applied: bool,
    },
    /// It takes effect after this time, and is answered then.
    Delay(Duration),
    /// It takes effect, and is answered after this time.
    DelayAnswer(Duration),
    /// Its outcome is unknown at once, and it takes effect after this time: a ghost. A
    /// [cut](super::Link::cut) does not hold it up.
    Late(Duration),
    /// A load answers what was there before the last change. Any other call is answered.
    Stale,
}

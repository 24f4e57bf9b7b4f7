//! Records that are changed by compare-and-swap alone.

use std::fmt;
use std::time::Duration;

use super::Answer;

/// A store of records that are changed by compare-and-swap alone.
///
/// A name consists of `A-Z`, `a-z`, `0-9`, `_`, `=`, `-` and `.`, begins and ends with no dot, has
/// no two dots in a row, and is at most [`MAX_NAME`] bytes long. A record with a time to live is absent when it has passed since the write.
///
/// What is acknowledged is kept, and is seen by every later [`load`](Self::load): reads go to
/// where the writes are decided, and to no replica that lags behind.
pub trait Claims: Send + Sync + 'static {
    /// Takes the engine's present incarnation for the one that all further calls are about.
    ///
    /// An engine that may lose what it has acknowledged marks each of its lives. A call that
    /// meets another life than the adopted one does nothing and returns
    /// [`Forgotten`](super::EngineError::Forgotten), until this is called again. Before the first
    /// call nothing else is asked of the engine.
    fn adopt(&self) -> Answer<'_, ()>;

    /// The record of this name, or `None` if there is none, or its time to live has passed.
    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>>;

    /// Writes `value` if the revision of the record is `expected`; `None` expects that there is no
    /// record. With `ttl`, the record is gone when so much time has passed since the write, by the
    /// engine's clock; engines may round it up to whole seconds. Without it, the record stays, also
    /// if the one before it had a time to live.
    ///
    /// Each write gets a revision above those of all writes before it, of any record: also after a
    /// restart of the engine, and after it has forgotten everything.
    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped>;
}

/// The most bytes of the name of a record, an inbox or a topic.
pub const MAX_NAME: usize = 512;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// That of the write that made it.
    pub revision: Revision,
    /// What was written.
    pub value: Vec<u8>,
}

/// The number of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a compare-and-swap went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// The record is written, with this revision.
    Done(Revision),
    /// The record has another revision than was expected: nothing was written.
    Conflict,
}

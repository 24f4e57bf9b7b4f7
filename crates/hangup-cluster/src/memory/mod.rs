//! An engine in memory, for tests and for a single node.
//!
//! A [`Memory`] is shared by its clones, and is the engine of one node. [`Memory::link`] gives a
//! further node its view, a [`Link`]: `Cluster::builder(memory.link()).node("b")`. It has faults that
//! a test sets: lost answers, ghosts, cuts,
//! stale reads, hints out of order. [`Memory::restart`] and [`Memory::forget`] are faults of the
//! engine itself.
//!
//! For one lease after it was made, the first owner of a key is
//! [`Unsettled`](crate::Predecessor::Unsettled), as with any engine that has just begun.
//!
//! Time is that of a [`Runtime`]: under a paused clock times to live are exact. Nothing is random.
//! The only thing that differs from run to run is where the numbers of revisions and cursors
//! begin: at the wall clock, so that neither goes back when the process starts anew. A test fixes
//! it by [`MemoryBuilder::numbers_above`].
//!
//! # Examples
//!
//! ```
//! use hangup_cluster::engine::{Claims, Swapped};
//! use hangup_cluster::memory::Memory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let memory = Memory::on_current()?;
//! memory.adopt().await?;
//!
//! let Swapped::Done(first) = memory.swap("key", None, b"a".to_vec(), None).await? else {
//!     unreachable!("there is no such record");
//! };
//! // It exists, so it is not made again.
//! assert_eq!(memory.swap("key", None, b"b".to_vec(), None).await?, Swapped::Conflict);
//! assert!(matches!(memory.swap("key", Some(first), b"c".to_vec(), None).await?, Swapped::Done(_)));
//! # Ok(())
//! # }
//! ```
//!
//! Two nodes claim one key, and a test decides whose write is first:
//!
//! ```
//! use futures::FutureExt;
//! use hangup_cluster::engine::{Claims, Swapped};
//! use hangup_cluster::memory::Memory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let memory = Memory::on_current()?;
//! let (a, b) = (memory.link(), memory.link());
//! a.step_by_step(true);
//!
//! let mut slow = a.swap("key", None, b"a".to_vec(), None);
//! // On its way: nothing is written yet.
//! assert!((&mut slow).now_or_never().is_none());
//! assert!(matches!(b.swap("key", None, b"b".to_vec(), None).await?, Swapped::Done(_)));
//! assert_eq!(slow.await?, Swapped::Conflict);
//! # Ok(())
//! # }
//! ```

mod fate;
mod names;
mod records;
mod topics;
mod inboxes;
mod store;
mod wire;
mod call;
mod streams;
mod link;
#[cfg(test)]
mod tests;

pub use fate::{Call, Fate, Method};
pub use link::Link;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hangup::runtime::{self, NoRuntime, Runtime};
use hangup::topic::Cursor;

use crate::engine::{Answer, Claims, HintStream, Hints, Log, LogStream, Record, Revision, Swapped};
use store::{Limits, Store};
use topics::Kept;

/// An engine in memory. Its clones share everything; a [`link`](Self::link) is another node.
///
/// It keeps all records until their time to live has passed, the last items of each topic for some
/// time, and the names of all topics.
#[derive(Clone)]
pub struct Memory {
    store: Arc<Store>,
    /// The view of those who use the memory itself. It has no faults.
    own: Link,
}

impl Memory {
    /// An empty engine whose time is that of `runtime`.
    #[must_use]
    pub fn new(runtime: impl Runtime + 'static) -> Self {
        Self::builder().build(runtime)
    }

    /// An empty engine whose time is that of [the runtime of this thread](runtime::current).
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if this thread is in none.
    pub fn on_current() -> Result<Self, NoRuntime> {
        Ok(Self::new(runtime::current().ok_or(NoRuntime)?))
    }

    /// An engine with limits of its own.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder {
            limits: Limits {
                timeout: Duration::from_secs(5),
                size: 1 << 20,
                kept: Kept {
                    items: 10_000,
                    ids: 10_000,
                    time: Duration::from_secs(60 * 60),
                },
            },
            numbers_above: None,
        }
    }

    /// The view of another node.
    ///
    /// From the first one on the engine keeps the version before the present one of each record,
    /// and the records that have gone, for [stale reads](Fate::Stale): this is for tests.
    #[must_use]
    pub fn link(&self) -> Link {
        self.store.with(|state| state.records.keep_versions());
        Link::new(&self.store)
    }

    /// The engine stops and starts again, and has lost nothing.
    ///
    /// Readers of the log end with an error, listeners end, and the outcome of the calls on their
    /// way is unknown.
    pub fn restart(&self) {
        self.store.with(store::State::restart);
    }

    /// The engine stops, loses everything, and starts again in another incarnation.
    ///
    /// Only the count of the revisions goes on. All calls are
    /// [`Forgotten`](crate::engine::EngineError::Forgotten) until the node adopts again.
    pub fn forget(&self) {
        self.store.with(store::State::forget);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.store.with(|state| state.records.len());
        f.debug_struct("Memory")
            .field("records", &records)
            .finish_non_exhaustive()
    }
}

/// Makes a [`Memory`].
///
/// # Examples
///
/// ```
/// use hangup_cluster::engine::{Claims, Revision, Swapped};
/// use hangup_cluster::memory::Memory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = Memory::builder()
///     .kept_items(100)
///     .numbers_above(0)
///     .build(tokio::runtime::Handle::current());
/// // The incarnation is number 1.
/// let swapped = memory.swap("key", None, Vec::new(), None).await?;
/// assert_eq!(swapped, Swapped::Done(Revision(2)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct MemoryBuilder {
    limits: Limits,
    numbers_above: Option<u64>,
}

impl MemoryBuilder {
    /// Within which time a call is answered, or its outcome is unknown. Unless it is set, 5 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The most bytes of a value, a hint or an item. Unless it is set, 1 MiB.
    pub const fn max_size(mut self, bytes: usize) -> Self {
        self.limits.size = bytes;
        self
    }

    /// The most items that a topic keeps. Unless it is set, 10,000.
    pub const fn kept_items(mut self, items: usize) -> Self {
        self.limits.kept.items = items;
        self
    }

    /// How long a topic keeps an item, at least: items go when one is published, to any topic.
    /// Unless it is set, an hour.
    pub const fn kept_for(mut self, time: Duration) -> Self {
        self.limits.kept.time = time;
        self
    }

    /// How many ids of items a topic remembers, as long as it has an item. Unless it is set,
    /// 10,000.
    pub const fn remembered_ids(mut self, ids: usize) -> Self {
        self.limits.kept.ids = ids;
        self
    }

    /// The number above which revisions and incarnations begin. Unless it is set, the
    /// microseconds of the wall clock since 1970: above all that an earlier process has given.
    pub const fn numbers_above(mut self, number: u64) -> Self {
        self.numbers_above = Some(number);
        self
    }

    /// An empty engine whose time is that of `runtime`.
    #[must_use]
    pub fn build(self, runtime: impl Runtime + 'static) -> Memory {
        let numbers = self.numbers_above.unwrap_or_else(wall_clock);
        let store = Arc::new(Store::new(Arc::new(runtime), self.limits, numbers));
        let own = Link::new(&store);
        Memory { store, own }
    }
}

fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or_default()
    })
}

impl Claims for Memory {
    fn adopt(&self) -> Answer<'_, ()> {
        self.own.adopt()
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        self.own.load(name)
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        self.own.swap(name, expected, value, ttl)
    }
}

impl Hints for Memory {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        self.own.send(inbox, hint)
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        self.own.listen(inbox)
    }
}

impl Log for Memory {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        self.own.publish(topic, id, item)
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.own.end(topic)
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        self.own.read(topic, after)
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.own.start(topic)
    }
}

//! One node's view of the engine.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hangup::topic::Cursor;

use super::call::ask;
use super::fate::{Call, Fate, Method};
use super::names::{Of, check_name, check_size};
use super::store::{LaterHint, State, Store};
use super::streams::{Began, HintReader, LogReader};
use super::wire::Wire;
use crate::engine::{
    Answer, Claims, EngineError, HintStream, Hints, Log, LogStream, Record, Revision, Swapped,
};

/// One node's view of a [`Memory`](super::Memory): an engine as well, with faults of its own.
///
/// Its clones are the same node: they share the faults, the running number of the calls, and the
/// incarnation that was adopted. Faults may be set at any time and apply to the calls that begin
/// from then on; [`cut`](Self::cut) applies to those on their way as well.
///
/// # Examples
///
/// The answer of a write is lost, and the write is there:
///
/// ```
/// use hangup_cluster::engine::{Claims, EngineError};
/// use hangup_cluster::memory::{Fate, Memory, Method};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = Memory::on_current()?;
/// let (a, b) = (memory.link(), memory.link());
/// a.adopt().await?;
/// b.adopt().await?;
///
/// a.fates(|call| match call.method {
///     Method::Swap => Fate::Lose { applied: true },
///     _ => Fate::Answer,
/// });
/// let swapped = a.swap("key", None, b"of a".to_vec(), None).await;
/// assert!(matches!(swapped, Err(EngineError::Unknown(_))));
/// assert_eq!(b.load("key").await?.map(|record| record.value), Some(b"of a".to_vec()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Link {
    store: Arc<Store>,
    wire: Arc<Wire>,
}

impl Link {
    pub(super) fn new(store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            wire: Arc::default(),
        }
    }

    /// How many calls it has made. The next one has the number after it.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.wire.calls()
    }

    /// Asks `fates` what happens to each call, but to those of
    /// [`fate_of`](Self::fate_of). It replaces the closure before.
    ///
    /// The closure is called when the call begins, without a lock: it may use this link.
    pub fn fates(&self, fates: impl Fn(&Call) -> Fate + Send + Sync + 'static) {
        self.wire.set_fates(Some(Arc::new(fates)));
    }

    /// Says what happens to the call with this number.
    pub fn fate_of(&self, number: u64, fate: Fate) {
        self.wire.set_fate_of(number, fate);
    }

    /// Asks `arrivals` after which times each hint arrives that this node sends: none of them
    /// loses it, two of them double it, different ones for different hints reorder them. It
    /// replaces the closure before.
    pub fn hint_arrivals(
        &self,
        arrivals: impl Fn(&Call, &[u8]) -> Vec<Duration> + Send + Sync + 'static,
    ) {
        self.wire.set_arrivals(Some(Arc::new(arrivals)));
    }

    /// Cuts the node off. Calls, those on their way as well, take no effect any more, and their
    /// outcome is unknown when their [time](super::MemoryBuilder::timeout) is up. Hints are lost
    /// in both directions, and readers of the log end with an error.
    pub fn cut(&self) {
        self.store.with(|state| {
            self.wire.is_cut.store(true, Ordering::Release);
            self.wire.cuts.fetch_add(1, Ordering::AcqRel);
            // Which of them are of this node, they see themselves.
            state.wake_all_readers();
        });
    }

    /// Ends what [`cut`](Self::cut) began.
    pub fn heal(&self) {
        let heal = |_: &mut State| self.wire.is_cut.store(false, Ordering::Release);
        self.store.with(heal);
    }

    /// Whether each call is pending once before it takes effect and once before it is answered,
    /// and wakes itself: so that the executor of a test can run the calls of two nodes in every
    /// order.
    pub fn step_by_step(&self, is_by_steps: bool) {
        self.wire.is_by_steps.store(is_by_steps, Ordering::Release);
    }

    /// Ends all faults but those of the single calls that were named.
    pub fn behave(&self) {
        self.heal();
        self.step_by_step(false);
        self.wire.set_fates(None);
        self.wire.set_arrivals(None);
    }

    fn check(&self, name: &str, of: Of, size: usize) -> Result<(), EngineError> {
        check_name(name, of)?;
        check_size(size, self.store.limits.size)
    }
}

impl Claims for Link {
    fn adopt(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let call = self.wire.number(Method::Adopt, "");
            let life = |state: &mut State, _| Ok(state.life);
            let life = ask(&self.store, &self.wire, &call, life).await?;
            self.wire.adopted.store(life, Ordering::Release);
            Ok(())
        })
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async move {
            self.check(name, Of::Record, 0)?;
            let call = self.wire.number(Method::Load, name);
            let name = name.to_owned();
            let load = move |state: &mut State, is_stale: bool| {
                Ok(if is_stale {
                    state.records.load_stale(&name, state.now)
                } else {
                    state.records.load(&name, state.now)
                })
            };
            ask(&self.store, &self.wire, &call, load).await
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(async move {
            self.check(name, Of::Record, value.len())?;
            let call = self.wire.number(Method::Swap, name);
            let name = name.to_owned();
            let swap = move |state: &mut State, _| Ok(state.swap(name, expected, value, ttl));
            ask(&self.store, &self.wire, &call, swap).await
        })
    }
}

impl Hints for Link {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.check(inbox, Of::InboxOrTopic, hint.len())?;
            let call = self.wire.number(Method::Send, inbox);
            let arrivals = self.wire.arrivals(&call, &hint);
            let inbox = inbox.to_owned();
            let send = move |state: &mut State, _| {
                for after in arrivals {
                    if after.is_zero() {
                        state.deliver(&inbox, &hint);
                    } else {
                        let (inbox, hint) = (inbox.clone(), hint.clone());
                        state.later.push(LaterHint { after, inbox, hint });
                    }
                }
                Ok(())
            };
            ask(&self.store, &self.wire, &call, send).await
        })
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(async move {
            self.check(inbox, Of::InboxOrTopic, 0)?;
            let call = self.wire.number(Method::Listen, inbox);
            let (inbox, store) = (inbox.to_owned(), Arc::clone(&self.store));
            let is_cut = Arc::clone(&self.wire.is_cut);
            let listen = move |state: &mut State, _| {
                let key = (inbox, state.next_stream());
                state.inboxes.listen(key.0.clone(), key.1, is_cut);
                Ok(HintReader { store, key })
            };
            let reader = ask(&self.store, &self.wire, &call, listen).await?;
            Ok(Box::pin(reader) as HintStream)
        })
    }
}

impl Log for Link {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        Box::pin(async move {
            self.check(topic, Of::InboxOrTopic, item.len())?;
            let call = self.wire.number(Method::Publish, topic);
            let (topic, id) = (topic.to_owned(), id.to_owned());
            let kept = self.store.limits.kept;
            let publish = move |state: &mut State, _| {
                state.wake_readers_of(&topic);
                Ok(state.topics.publish(topic, id, item, kept, state.now))
            };
            ask(&self.store, &self.wire, &call, publish).await
        })
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move {
            self.check(topic, Of::InboxOrTopic, 0)?;
            let call = self.wire.number(Method::End, topic);
            let topic = topic.to_owned();
            let end = move |state: &mut State, _| Ok(state.topics.end(&topic));
            ask(&self.store, &self.wire, &call, end).await
        })
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(async move {
            self.check(topic, Of::InboxOrTopic, 0)?;
            let call = self.wire.number(Method::Read, topic);
            let (name, wire) = (topic.to_owned(), Arc::clone(&self.wire));
            let read = move |state: &mut State, _| Ok(Began::now(state, &wire, &name, after));
            let began = ask(&self.store, &self.wire, &call, read).await?;
            let reader = LogReader::new(&self.store, &self.wire, topic, began);
            Ok(Box::pin(reader) as LogStream)
        })
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move {
            self.check(topic, Of::InboxOrTopic, 0)?;
            let call = self.wire.number(Method::Start, topic);
            let topic = topic.to_owned();
            let start = move |state: &mut State, _| Ok(state.topics.start(&topic));
            ask(&self.store, &self.wire, &call, start).await
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

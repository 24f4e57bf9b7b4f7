//! What a node listens to and reads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_core::Stream;
use hangup::topic::Cursor;

use super::inboxes::Heard;
use super::store::{State, Store};
use super::wire::Wire;
use crate::engine::{EngineError, LogEvent};

/// The hints of one listener.
pub(super) struct HintReader {
    pub(super) store: Arc<Store>,
    /// The inbox, and the number of this stream.
    pub(super) key: (String, u64),
}

impl Stream for HintReader {
    type Item = Vec<u8>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut waker = Some(cx.waker().clone());
        let heard = self
            .store
            .with(|state| state.inboxes.next(&self.key, &mut waker));
        match heard {
            Heard::Hint(hint) => Poll::Ready(Some(hint)),
            Heard::Nothing => Poll::Pending,
            Heard::End => Poll::Ready(None),
        }
    }
}

impl Drop for HintReader {
    fn drop(&mut self) {
        drop(self.store.with(|state| state.inboxes.leave(&self.key)));
    }
}

/// The items of one reader.
pub(super) struct LogReader {
    store: Arc<Store>,
    wire: Arc<Wire>,
    /// The topic, and the number of this stream.
    key: (String, u64),
    began: Began,
    gap: Option<Cursor>,
    after: Cursor,
    has_ended: bool,
}

/// What was so when the reading began.
pub(super) struct Began {
    life: u64,
    restarts: u64,
    cuts: u64,
    stream: u64,
    after: Cursor,
    gap: Option<Cursor>,
}

impl Began {
    pub(super) fn now(state: &mut State, wire: &Wire, topic: &str, after: Cursor) -> Self {
        let gap = state.topics.gap(topic, after);
        Self {
            life: state.life,
            restarts: state.restarts,
            cuts: wire.cuts.load(Ordering::Acquire),
            stream: state.next_stream(),
            after: gap.unwrap_or(after),
            gap,
        }
    }
}

impl LogReader {
    pub(super) fn new(store: &Arc<Store>, wire: &Arc<Wire>, topic: &str, began: Began) -> Self {
        Self {
            store: Arc::clone(store),
            wire: Arc::clone(wire),
            key: (topic.to_owned(), began.stream),
            gap: began.gap,
            after: began.after,
            began,
            has_ended: false,
        }
    }

    /// Why it ends, if it does.
    fn end(&self, state: &State) -> Option<EngineError> {
        if state.life != self.began.life {
            Some(EngineError::Forgotten)
        } else if state.restarts != self.began.restarts {
            Some(EngineError::unknown("the engine has restarted"))
        } else if self.wire.cuts.load(Ordering::Acquire) != self.began.cuts {
            Some(EngineError::unknown("the node was cut off"))
        } else {
            None
        }
    }
}

impl Stream for LogReader {
    type Item = Result<LogEvent, EngineError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        let waker = cx.waker().clone();
        // A waker that is not kept is dropped with this, behind the lock.
        let mut unused = (Some(waker), None);
        let store = Arc::clone(&this.store);
        let found = store.with(|state| {
            if let Some(error) = this.end(state) {
                return Some(Err(error));
            }
            if let Some(gap) = this.gap.take() {
                return Some(Ok((gap, LogEvent::Gap(gap))));
            }
            let next = state.topics.next(&this.key.0, this.after);
            if next.is_none() {
                let waker = unused.0.take().expect("it was just put there");
                unused.1 = state.wait(&this.key, waker);
            }
            next.map(Ok)
        });
        match found {
            Some(Ok((after, event))) => {
                this.after = after;
                Poll::Ready(Some(Ok(event)))
            }
            Some(Err(error)) => {
                this.has_ended = true;
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        drop(self.store.with(|state| state.wait_no_more(&self.key)));
    }
}

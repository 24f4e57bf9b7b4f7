//! An engine whose calls wait until the test lets one of them through.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use hangup::topic::Cursor;
use hangup_cluster::engine::{Answer, Claims, HintStream, Hints, Log, LogStream, Record, Swapped};
use hangup_cluster::memory::Link;

/// The calls of all nodes that wait at the engine.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// While it is not held, calls go through at once.
    is_held: bool,
    waiting: Vec<(u64, Waker)>,
    granted: Vec<u64>,
    next: u64,
}

impl Queue {
    pub(crate) fn hold(&self, is_held: bool) {
        let mut state = self.0.lock().unwrap();
        state.is_held = is_held;
        for (id, waker) in std::mem::take(&mut state.waiting) {
            state.granted.push(id);
            waker.wake();
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// Lets the call at this place through.
    pub(crate) fn grant(&self, index: usize) {
        let mut state = self.0.lock().unwrap();
        let (id, waker) = state.waiting.remove(index);
        state.granted.push(id);
        waker.wake();
    }

    async fn pass(&self) {
        let pass = Pass {
            queue: self.clone(),
            id: {
                let mut state = self.0.lock().unwrap();
                state.next += 1;
                state.next
            },
        };
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if !state.is_held {
                return Poll::Ready(());
            }
            if let Some(index) = state.granted.iter().position(|id| *id == pass.id) {
                state.granted.swap_remove(index);
                return Poll::Ready(());
            }
            match state.waiting.iter_mut().find(|(id, _)| *id == pass.id) {
                Some((_, waker)) => waker.clone_from(cx.waker()),
                None => state.waiting.push((pass.id, cx.waker().clone())),
            }
            Poll::Pending
        })
        .await;
    }
}

/// A call that waits, until it is dropped.
struct Pass {
    queue: Queue,
    id: u64,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.queue.0.lock().unwrap();
        state.waiting.retain(|(id, _)| *id != self.id);
        state.granted.retain(|id| *id != self.id);
    }
}

/// A node's engine whose changes and reads of records wait in a [`Queue`].
#[derive(Clone)]
pub(crate) struct Scheduled {
    pub(crate) link: Link,
    pub(crate) queue: Queue,
}

impl Claims for Scheduled {
    fn adopt(&self) -> Answer<'_, ()> {
        self.link.adopt()
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async {
            self.queue.pass().await;
            self.link.load(name).await
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<hangup_cluster::engine::Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(async move {
            self.queue.pass().await;
            self.link.swap(name, expected, value, ttl).await
        })
    }
}

impl Hints for Scheduled {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        self.link.send(inbox, hint)
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        self.link.listen(inbox)
    }
}

impl Log for Scheduled {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        self.link.publish(topic, id, item)
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.link.end(topic)
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        self.link.read(topic, after)
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.link.start(topic)
    }
}

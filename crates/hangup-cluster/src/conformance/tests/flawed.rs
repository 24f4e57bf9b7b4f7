//! An engine that breaks one rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;

use super::flaw::Flaw;
use super::passing::InMemory;
use crate::conformance::{Doing, Node, Subject, Timing};
use crate::engine::{Claims, Revision, Swapped};
use crate::memory::{Fate, Link, Method};

/// A node of it.
pub(super) struct Flawed {
    pub(super) flaw: Flaw,
    pub(super) link: Link,
    /// A node that has adopted nothing, and so meets no other life.
    pub(super) stranger: Link,
    pub(super) shared: Arc<Shared>,
    /// The number of the adoption that this node knows.
    pub(super) adopted: AtomicU64,
}

/// What its nodes share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) records: Mutex<BTreeMap<String, Known>>,
    /// The real revisions of each record, in the order of the writes.
    pub(super) revisions: Mutex<BTreeMap<String, Vec<Revision>>>,
    pub(super) hints: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    pub(super) listened: Mutex<BTreeSet<String>>,
    pub(super) read: Mutex<BTreeSet<String>>,
    pub(super) count: AtomicU64,
    pub(super) adoptions: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) lives: AtomicU64,
    /// The last revision of the life before.
    pub(super) base: AtomicU64,
}

impl Shared {
    pub(super) fn remember(&self, inbox: &str, hint: &[u8]) {
        let mut hints = self.hints.lock().unwrap();
        hints
            .entry(inbox.to_owned())
            .or_default()
            .push(hint.to_vec());
    }
}

/// A stream that wakes no task.
pub(super) fn asleep<T: 'static>(mut stream: BoxStream<'static, T>) -> BoxStream<'static, T> {
    Box::pin(stream::poll_fn(move |_| {
        stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
    }))
}

/// What is known of a record.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) end: Option<Instant>,
    pub(super) ttl: Option<Duration>,
    pub(super) revision: Option<Revision>,
}

/// The engine, as it is given to the suite.
pub(super) struct FlawedSubject {
    flaw: Flaw,
    inner: InMemory,
    shared: Arc<Shared>,
}

impl FlawedSubject {
    pub(super) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            inner: InMemory::new(true),
            shared: Arc::default(),
        }
    }

    fn link(&self) -> Link {
        let link = self.inner.link();
        let count = AtomicU64::new(0);
        let ms = Duration::from_millis(1);
        match self.flaw {
            Flaw::LoadsAreStale => link.fates(|call| match call.method {
                Method::Load => Fate::Stale,
                _ => Fate::Answer,
            }),
            Flaw::HintsLost => link.hint_arrivals(move |_, _| {
                let is_lost = count.fetch_add(1, Ordering::Relaxed) % 10 == 9;
                if is_lost {
                    vec![]
                } else {
                    vec![Duration::ZERO]
                }
            }),
            Flaw::HintsTwice => link.hint_arrivals(|_, _| vec![Duration::ZERO; 2]),
            Flaw::HintsReordered => link.hint_arrivals(move |_, _| {
                let is_late = count.fetch_add(1, Ordering::Relaxed) % 10 == 8;
                vec![if is_late { ms } else { Duration::ZERO }]
            }),
            _ => {}
        }
        link
    }

    async fn after_restart(&self) {
        self.shared.restarts.fetch_add(1, Ordering::Relaxed);
        if self.flaw == Flaw::RestartLiftsTtls {
            let memory = &self.inner.memory;
            let names: Vec<_> = self
                .shared
                .records
                .lock()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            for name in names {
                if let Some(record) = memory.load(&name).await.unwrap() {
                    let written = memory.swap(&name, Some(record.revision), record.value, None);
                    assert!(matches!(written.await, Ok(Swapped::Done(_))));
                }
            }
        }
    }

    async fn after_forget(&self) {
        self.shared.lives.fetch_add(1, Ordering::Relaxed);
        if self.flaw == Flaw::RevisionsBeginAnew {
            let written = self.inner.memory.swap("base", None, Vec::new(), None);
            if let Swapped::Done(revision) = written.await.unwrap() {
                self.shared.base.store(revision.0, Ordering::Relaxed);
            }
        }
    }
}

impl Subject for FlawedSubject {
    fn node(&self) -> Doing<'_, Node> {
        let node = Flawed {
            flaw: self.flaw,
            link: self.link(),
            stranger: self.inner.memory.link(),
            shared: Arc::clone(&self.shared),
            adopted: AtomicU64::new(0),
        };
        Box::pin(async { Ok(Node::of(node)) })
    }

    fn timing(&self) -> Timing {
        self.inner.timing()
    }

    fn restart(&self) -> Option<Doing<'_, ()>> {
        Some(Box::pin(async {
            if self.flaw == Flaw::RestartForgets {
                self.inner.memory.forget();
            } else {
                self.inner.memory.restart();
            }
            self.after_restart().await;
            Ok(())
        }))
    }

    fn pause(&self) -> Option<Doing<'_, ()>> {
        self.inner.pause()
    }

    fn resume(&self) -> Doing<'_, ()> {
        self.inner.resume()
    }

    fn forget(&self) -> Option<Doing<'_, ()>> {
        Some(Box::pin(async {
            self.inner.memory.forget();
            self.after_forget().await;
            Ok(())
        }))
    }

    fn max_size(&self) -> Option<usize> {
        self.inner.max_size()
    }

    fn kept_items(&self) -> Option<usize> {
        self.inner.kept_items()
    }

    fn remembers_ids(&self) -> bool {
        self.inner.remembers_ids()
    }
}

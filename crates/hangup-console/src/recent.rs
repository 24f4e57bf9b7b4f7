//! What has happened lately, in bounded memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hangup::report::{ConnectionId, DrainEvent, WaitsFor};
use hangup::{Closed, Handle, KeyError, OpenError};
use serde::Serialize;

use crate::clip::clip;

/// How many rejections and unsettled connections are kept.
const OTHERS: usize = 20;

/// What an observer was told.
pub(crate) struct Recent {
    /// How many closes are kept.
    most: usize,
    full: AtomicU64,
    draining: AtomicU64,
    other: AtomicU64,
    /// When a connection was refused last.
    refused_at: AtomicU64,
    /// Changes with whatever changes.
    version: AtomicU64,
    log: Mutex<Log>,
    /// The latest text, and the version that it is of.
    written: Mutex<(u64, Bytes)>,
}

/// What needs a lock.
#[derive(Clone, Default, Serialize)]
struct Log {
    closes: VecDeque<Ended>,
    rejected: u64,
    rejections: VecDeque<Told>,
    unsettled: VecDeque<Told>,
    drain: DrainSoFar,
}

/// A connection that has closed.
#[derive(Clone, Serialize)]
struct Ended {
    id: String,
    label: Option<String>,
    reason: String,
    words: Option<String>,
    by: Option<String>,
    phase: String,
    age_ms: Option<u64>,
    at: u64,
}

/// A connection, and what was told of it.
#[derive(Clone, Serialize)]
struct Told {
    id: String,
    label: Option<String>,
    what: String,
    at: u64,
}

#[derive(Clone, Default, Serialize)]
struct DrainSoFar {
    begun_at: Option<u64>,
    batches: u64,
    /// By the batches.
    closed: u64,
    /// How many were left at the deadline.
    forced: Option<u64>,
    done: Option<DrainDone>,
}

#[derive(Clone, Serialize)]
struct DrainDone {
    closed: usize,
    forced: usize,
    unsettled: usize,
    at: u64,
}

#[derive(Serialize)]
struct Written<'a> {
    most: usize,
    refused: Refused,
    #[serde(flatten)]
    log: &'a Log,
}

#[derive(Serialize)]
struct Refused {
    full: u64,
    draining: u64,
    other: u64,
    at: Option<u64>,
}

impl Recent {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            full: AtomicU64::new(0),
            draining: AtomicU64::new(0),
            other: AtomicU64::new(0),
            refused_at: AtomicU64::new(0),
            version: AtomicU64::new(1),
            log: Mutex::default(),
            written: Mutex::default(),
        }
    }

    pub(crate) fn closed(&self, connection: &Handle, closed: Closed) {
        let end = connection.end();
        let words = end.as_ref().and_then(|end| end.words.as_deref());
        let ended = Ended {
            id: connection.id().to_string(),
            label: connection.label().as_deref().map(clip),
            reason: closed.reason.to_string(),
            words: words.map(clip),
            by: end.as_ref().and_then(|end| end.by).map(of),
            phase: closed.from.to_string(),
            age_ms: connection.age().map(millis),
            at: now(),
        };
        self.change(|log| keep(&mut log.closes, ended, self.most));
    }

    pub(crate) fn rejected(&self, connection: &Handle, refusal: &KeyError) {
        let told = Told::new(connection, &refusal.to_string());
        self.change(|log| {
            log.rejected += 1;
            keep(&mut log.rejections, told, OTHERS)
        });
    }

    pub(crate) fn unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
        let what = match waits_for {
            Some(waits_for) => waits_for.to_string(),
            None => "an undo that runs".to_owned(),
        };
        let told = Told::new(connection, &what);
        self.change(|log| keep(&mut log.unsettled, told, OTHERS));
    }

    /// An unsettled one has settled.
    pub(crate) fn settled(&self, id: ConnectionId) {
        let log = self.lock();
        if log.unsettled.is_empty() {
            return;
        }
        drop(log);
        let id = of(id);
        self.change(|log| {
            let at = log.unsettled.iter().position(|told| told.id == id)?;
            log.unsettled.remove(at)
        });
    }

    pub(crate) fn refused(&self, refused: OpenError) {
        // ORDERING: Relaxed, because these are counts, and each is read alone.
        let count = match refused {
            OpenError::Full => &self.full,
            OpenError::Draining => &self.draining,
            _ => &self.other,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.refused_at.store(now(), Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drain(&self, event: &DrainEvent) {
        let at = now();
        self.change(|log| match *event {
            DrainEvent::Begun => {
                log.drain.begun_at.get_or_insert(at);
            }
            DrainEvent::Batch { closed, .. } => {
                log.drain.batches += 1;
                log.drain.closed += closed as u64;
            }
            DrainEvent::Forced { left, .. } => log.drain.forced = Some(left as u64),
            DrainEvent::Done {
                closed,
                forced,
                unsettled,
                ..
            } => {
                log.drain.done = Some(DrainDone {
                    closed,
                    forced,
                    unsettled,
                    at,
                });
            }
            _ => {}
        });
    }

    /// Whether a drain is over.
    pub(crate) fn is_drain_done(&self) -> bool {
        self.lock().drain.done.is_some()
    }

    /// All of it as JSON, and its version; `None` if that is `seen`.
    pub(crate) fn write(&self, seen: u64) -> Option<(u64, Bytes)> {
        // ORDERING: Relaxed, because what is older than its version is written again.
        let version = self.version.load(Ordering::Relaxed);
        if version == seen {
            return None;
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.0 != version {
            // Not under the lock that those who close connections wait for.
            let log = self.lock().clone();
            let at = self.refused_at.load(Ordering::Relaxed);
            let refused = Refused {
                full: self.full.load(Ordering::Relaxed),
                draining: self.draining.load(Ordering::Relaxed),
                other: self.other.load(Ordering::Relaxed),
                at: (at > 0).then_some(at),
            };
            let text = Written {
                most: self.most,
                refused,
                log: &log,
            };
            *written = (version, to_json(&text));
        }
        Some(written.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `change` takes out is dropped without the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) {
        let mut log = self.lock();
        let out = change(&mut log);
        self.version.fetch_add(1, Ordering::Relaxed);
        drop(log);
        drop(out);
    }
}

/// Adds the newest one, and takes out the oldest one if there are more than `most`.
fn keep<T>(all: &mut VecDeque<T>, newest: T, most: usize) -> Option<T> {
    let out = if all.len() < most {
        None
    } else {
        all.pop_back()
    };
    all.push_front(newest);
    out
}

impl Told {
    fn new(connection: &Handle, what: &str) -> Self {
        Self {
            id: of(connection.id()),
            label: connection.label().as_deref().map(clip),
            what: clip(what),
            at: now(),
        }
    }
}

/// As a text: a number of JavaScript has fewer bits.
pub(crate) fn of(id: ConnectionId) -> String {
    id.to_string()
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970, as a `Date` of JavaScript counts.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, millis)
}

/// # Panics
///
/// Never for our types: they have no maps with keys that are no texts.
pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    let json = serde_json::to_vec(value);
    json.expect("it has texts, numbers and lists alone").into()
}

//! All that can be seen from outside, after each operation: of the real thing and of
//! the reference alike.

use std::collections::BTreeMap;

use hangup::{Closed, JoinError, Refused, Settled, State};

use crate::op::{Key, POLICIES};

/// What an operation returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The owner was in no state to do it, or not there.
    PassedOver,
    Done,
    /// It waits, and is kept.
    Waits,
    Cancelled,
    Count(usize),
    Refused(Refused),
    Closed(Closed),
    NotJoined(JoinError),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// All that were ever opened.
    pub(crate) connections: Vec<SeenConnection>,
    pub(crate) scope: SeenScope,
    pub(crate) registries: Vec<SeenRegistry>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenConnection {
    pub(crate) state: State,
    pub(crate) settled: Option<Settlement>,
    /// The undos that have run, in this order, by when they were registered.
    pub(crate) undone: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) closed: Closed,
    pub(crate) undone: usize,
    pub(crate) panics: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenScope {
    pub(crate) pending: usize,
    pub(crate) registering: usize,
    pub(crate) live: usize,
    pub(crate) settling: usize,
    pub(crate) closed: BTreeMap<Closed, u64>,
    pub(crate) undone: u64,
    pub(crate) panicked: u64,
    /// By when they were opened.
    pub(crate) handles: Vec<usize>,
    pub(crate) is_draining: bool,
    pub(crate) is_settled: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenRegistry {
    /// Of each key, used or not.
    pub(crate) under: BTreeMap<Key, SeenKey>,
    pub(crate) len: usize,
    pub(crate) is_empty: bool,
    /// Sorted, so that a key that is there twice is seen twice.
    pub(crate) keys: Vec<Key>,
    /// Sorted.
    pub(crate) iter: Vec<(Key, u32)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenKey {
    pub(crate) get: Option<u32>,
    pub(crate) contains: bool,
    pub(crate) members: Vec<u32>,
    pub(crate) count: usize,
    pub(crate) hooks: Vec<Hook>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    First,
    Last,
}

impl From<Settled> for Settlement {
    fn from(settled: Settled) -> Self {
        Self {
            closed: settled.closed,
            undone: settled.undone,
            panics: settled.panics.len(),
        }
    }
}

impl Seen {
    /// What is not as expected, piece by piece.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<String> {
        let (seen, expected) = (self.pieces(), expected.pieces());
        let differ = seen.iter().zip(&expected).filter(|(a, b)| a != b);
        differ
            .map(|(seen, expected)| format!("{seen}\n    expected {expected}"))
            .collect()
    }

    fn pieces(&self) -> Vec<String> {
        let connections = self.connections.iter().enumerate();
        let connections = connections.map(|(i, seen)| format!("connection {i}: {seen:?}"));
        let registries = POLICIES.into_iter().zip(&self.registries);
        let registries = registries.map(|(policy, seen)| format!("{policy:?}: {seen:?}"));
        let scope = [format!("{:?}", self.scope)];
        connections.chain(scope).chain(registries).collect()
    }
}

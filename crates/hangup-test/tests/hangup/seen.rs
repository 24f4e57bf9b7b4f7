//! Everything that a caller can see of `hangup`, observed or expected.

use std::collections::BTreeMap;

use hangup::report::Settled;
use hangup::{Closed, State};
use hangup_test::schedule::Place;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Every connection that was ever admitted.
    pub(crate) connections: BTreeMap<usize, SeenConnection>,
    pub(crate) scopes: Vec<SeenScope>,
    pub(crate) registries: Vec<SeenRegistry>,
    pub(crate) keys: BTreeMap<Place, SeenKey>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenConnection {
    pub(crate) state: State,
    pub(crate) settled: Option<Settlement>,
    /// The numbers of the undos that have run, in the order in which they ran.
    pub(crate) undos_run: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) closed: Closed,
    pub(crate) undos_run: usize,
    pub(crate) panics: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenScope {
    pub(crate) pending: usize,
    pub(crate) registering: usize,
    pub(crate) live: usize,
    pub(crate) settling: usize,
    pub(crate) closed: BTreeMap<Closed, u64>,
    pub(crate) undos_run: u64,
    pub(crate) panicked: u64,
    /// The unsettled connections, in the order of opening.
    pub(crate) handles: Vec<usize>,
    pub(crate) is_draining: bool,
    pub(crate) is_settled: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenRegistry {
    pub(crate) len: usize,
    pub(crate) is_empty: bool,
    /// Sorted. A key that is listed twice shows twice.
    pub(crate) keys: Vec<usize>,
    /// Sorted.
    pub(crate) iter: Vec<(usize, u32)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeenKey {
    pub(crate) get: Option<u32>,
    pub(crate) contains: bool,
    /// In the order of joining.
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
        assert!(settled.abandoned.is_empty());
        Self {
            closed: settled.closed,
            undos_run: settled.undos_run,
            panics: settled.panics.len(),
        }
    }
}

impl Seen {
    /// Returns one line for each part that differs.
    pub(crate) fn differences(&self, expected: &Self) -> String {
        let (seen, expected) = (self.parts(), expected.parts());
        let differ = seen.iter().zip(&expected).filter(|(a, b)| a != b);
        let lines = differ.map(|(seen, expected)| format!("\n  {seen}\n    expected {expected}"));
        lines.collect()
    }

    fn parts(&self) -> Vec<String> {
        let connections = self.connections.iter();
        let connections = connections.map(|(who, seen)| format!("connection {who}: {seen:?}"));
        let scopes = self.scopes.iter().map(|scope| format!("{scope:?}"));
        let registries = self.registries.iter().enumerate();
        let registries = registries.map(|(number, seen)| format!("registry {number}: {seen:?}"));
        let keys = self.keys.iter().map(|(at, seen)| format!("{at}: {seen:?}"));
        connections
            .chain(scopes)
            .chain(registries)
            .chain(keys)
            .collect()
    }
}

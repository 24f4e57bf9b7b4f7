//! The scopes, the registries and the keys of a case.

use std::sync::Arc;

use hangup::Conflict;
use hangup_test::schedule::{Place, Shape};

/// For how many keys a registry remembers the last close.
pub(crate) const REMEMBERED: usize = 2;

/// A registered value: its number, its connection, and a clone that is counted.
pub(crate) type Value = (u32, usize, Arc<()>);

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) policies: Vec<Conflict>,
    pub(crate) caps: Vec<Option<usize>>,
    pub(crate) keys: usize,
}

pub(crate) fn all_policies() -> Vec<Conflict> {
    let share = Conflict::share(2);
    vec![Conflict::Replace, Conflict::Reject, share]
}

impl Layout {
    /// Returns the shape of the schedules that run on this layout.
    pub(crate) fn shape(&self) -> Shape {
        Shape::new()
            .connections(6)
            .keys(self.keys)
            .registries(self.policies.iter().copied())
            .scopes(self.caps.iter().copied())
            .several_keys()
            .owner_undoes()
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (registries, keys) = (self.policies.len(), self.keys);
        (0..registries).flat_map(move |registry| (0..keys).map(move |key| Place { registry, key }))
    }
}

//! The size and the operations of schedules.

use std::ops::RangeInclusive;

use super::op::{Kind, Op, Place};
use hangup::Conflict;

/// Describes schedules: the numbers of connections, keys, registries and scopes, and the
/// operations that the manager offers.
///
/// With small numbers connections meet more often, which finds more.
///
/// # Examples
///
/// ```
/// use hangup_test::schedule::{Conflict, Kind, Shape};
///
/// let shape = Shape::new()
///     .scopes([Some(2), None])
///     .registries([Conflict::Replace, Conflict::share(2)])
///     .without([Kind::BeginDrain]);
/// # let _ = shape;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a shape does nothing until its `schedules` are run"]
pub struct Shape {
    pub(super) connections: usize,
    pub(super) keys: usize,
    pub(super) registries: Vec<Conflict>,
    pub(super) scopes: Vec<Option<usize>>,
    pub(super) length: RangeInclusive<usize>,
    pub(super) offered: Vec<Kind>,
    pub(super) several_keys: bool,
    pub(super) close_ends_steps: bool,
    pub(super) owner_undoes: bool,
}

impl Shape {
    /// Creates a shape with up to 4 connections at once, 2 keys, one registry that
    /// replaces, one scope without a cap, 10 to 60 operations, and all kinds of
    /// operations.
    pub fn new() -> Self {
        Self {
            connections: 4,
            keys: 2,
            registries: vec![Conflict::Replace],
            scopes: vec![None],
            length: 10..=60,
            offered: Kind::ALL.to_vec(),
            several_keys: false,
            close_ends_steps: false,
            owner_undoes: false,
        }
    }

    /// Sets how many connections have an owner at once, at most.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the number of keys in each registry.
    pub fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the registries, one for each policy. There may be none.
    pub fn registries(mut self, policies: impl IntoIterator<Item = Conflict>) -> Self {
        self.registries = policies.into_iter().collect();
        self
    }

    /// Sets the scopes, one for each cap. `None` is no limit. A connection counts from
    /// `Open` until everything is undone.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn scopes(mut self, caps: impl IntoIterator<Item = Option<usize>>) -> Self {
        self.scopes = caps.into_iter().collect();
        assert!(!self.scopes.is_empty(), "a connection is opened in a scope");
        self
    }

    /// Sets the least and the greatest number of operations. A schedule is shorter if no
    /// operation can be done any more.
    pub fn length(mut self, length: RangeInclusive<usize>) -> Self {
        self.length = length;
        self
    }

    /// Restricts the operations to these kinds, `Open` and `Drop`.
    ///
    /// Without `Register`, a connection registers as it opens. Without `GoLive`, it goes
    /// live as it joins or has taken over. Other excluded kinds do not occur.
    pub fn only(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.offered = kinds.into_iter().chain([Kind::Open, Kind::Drop]).collect();
        self
    }

    /// Excludes operations of these kinds, with the consequences that
    /// [`only`](Self::only) describes.
    pub fn without(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        let kinds: Vec<_> = kinds.into_iter().collect();
        let mut offered = self.offered.clone();
        offered.retain(|kind| !kinds.contains(kind));
        self.only(offered)
    }

    /// Allows a connection to hold several keys of one registry. By default it holds at
    /// most one.
    pub fn several_keys(mut self) -> Self {
        self.several_keys = true;
        self
    }

    /// Declares that a close ends a step in flight at once, as the abort of a task does,
    /// and that everything is undone when the close returns.
    ///
    /// By default, the step stays in flight until it is polled or dropped, and nothing is
    /// undone before. So no undo overlaps the step that it undoes.
    pub fn close_ends_steps(mut self) -> Self {
        self.close_ends_steps = true;
        self
    }

    /// Declares that nothing of a set-up is undone before its owner is gone, as
    /// [`Registering`](hangup::Registering) specifies: a close from elsewhere leaves the undo
    /// to the owner. And a connection that is dropped after it was refused a place closes as
    /// `Rejected`.
    ///
    /// By default, a close undoes at once, except during a step or a take-over.
    pub fn owner_undoes(mut self) -> Self {
        self.owner_undoes = true;
        self
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let registries = 0..self.registries.len();
        registries.flat_map(|registry| (0..self.keys).map(move |key| Place { registry, key }))
    }

    /// Returns `true` if the shape has this operation.
    pub(super) fn has(&self, mut op: Op) -> bool {
        let (registries, keys) = (self.registries.len(), self.keys);
        let scope = op.scope_mut().copied();
        self.offers(op.kind())
            && scope.is_none_or(|scope| scope < self.scopes.len())
            && op
                .place_mut()
                .is_none_or(|at| at.registry < registries && at.key < keys)
    }

    pub(super) fn offers(&self, kind: Kind) -> bool {
        self.offered.contains(&kind)
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self::new()
    }
}

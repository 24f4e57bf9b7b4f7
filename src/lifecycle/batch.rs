//! Closing many connections of a scope.
//!
//! What a connection touches when it ends lies in places that have nothing to do with each
//! other: the connection, its slot in the table of a registry, the list of the scope. One by one,
//! a crowd beyond the caches waits for the memory three times for each. In a batch those of a
//! table are removed together, under one lock, and those of a shard of the scope settle together.

use std::ptr;
use std::sync::Arc;

use super::Lifecycle;
use super::group::{Group, Member};
use super::memberships::{Exit, Leaving, Memberships};
use super::nesting::{Taken, give_back_places};
use super::word::OnClose;
use crate::state::{CloseReason, Closed};

/// How many connections: so many that several are in one shard of a table, and so few that what
/// they touch stays in the cache of a core until they have settled.
const MOST: usize = if cfg!(hangup_loom) { 2 } else { 1024 };

/// How many registries are told apart. What is in a further one leaves by itself.
const REGISTRIES: usize = 4;

/// Connections that are closed and have run their undos, to [settle](Self::settle) together; also
/// when it is dropped, so that a panic loses none of them.
///
/// Those with something to undo settle where they are unwound, as each does by itself, and so do
/// those of scopes below.
pub(crate) struct Batch<'a> {
    group: &'a Group<Lifecycle>,
    to_close: Vec<Arc<Lifecycle>>,
    unwound: Vec<Arc<Lifecycle>>,
    /// The slot of each, if it has one alone.
    leaving: Leaving,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(group: &'a Group<Lifecycle>) -> Self {
        Self {
            group,
            to_close: Vec::new(),
            unwound: Vec::new(),
            leaving: Leaving::default(),
        }
    }

    /// Connections of the scope that are to be closed, while their shard is locked.
    pub(crate) fn collect(&mut self, connections: &[Arc<Lifecycle>]) {
        self.to_close.extend_from_slice(connections);
    }

    /// Closes those that were collected, newest first, and returns how many this call closed.
    pub(crate) fn close_collected(&mut self, reason: CloseReason) -> usize {
        let mut closed = 0;
        while let Some(lifecycle) = self.to_close.pop() {
            closed += usize::from(self.close(lifecycle, reason).is_ok());
        }
        closed
    }

    fn close(&mut self, lifecycle: Arc<Lifecycle>, reason: CloseReason) -> Result<(), Closed> {
        if !ptr::eq(&raw const **lifecycle.group(), self.group) {
            // It may have undos, as below.
            self.settle();
            return lifecycle.close(reason);
        }
        let duty = lifecycle.begin_to_close(reason)?;
        let mut places = Memberships::default();
        match duty {
            OnClose::Unwind { has_parts: true } => {
                match lifecycle.take_places_nested(&mut places) {
                    Taken::Places => self.push(lifecycle, places),
                    Taken::NotAlone => {
                        // An undo may take long, and those that have none do not wait for it.
                        self.settle();
                        lifecycle.unwind();
                    }
                    Taken::Later => {}
                }
            }
            OnClose::Unwind { has_parts: false } => self.push(lifecycle, places),
            OnClose::LeaveToOwner => lifecycle.discharge(duty),
        }
        Ok(())
    }

    fn push(&mut self, lifecycle: Arc<Lifecycle>, places: Memberships) {
        let only = match places.into_only() {
            // Not looked at yet: it is beyond the caches.
            Ok(only) => Some(only),
            Err(others) => {
                if !others.is_empty() {
                    give_back_places(|| lifecycle.leave(others, Exit::Settling { clean: true }));
                }
                None
            }
        };
        self.leaving.slots.push(only);
        self.unwound.push(lifecycle);
        if self.unwound.len() == MOST {
            self.settle();
        }
    }
}

impl Batch<'_> {
    /// Keeps its memory for the next ones.
    pub(crate) fn settle(&mut self) {
        if self.unwound.is_empty() {
            return;
        }
        self.leave_registries();
        for lifecycle in &self.unwound {
            if let Some(events) = lifecycle.events() {
                lifecycle.tell_settled(events, lifecycle.how_it_closed());
            }
        }
        self.group
            .settle_each(&self.unwound, Lifecycle::wake_settled);
        self.unwound.clear();
    }

    fn leave_registries(&mut self) {
        let (leaving, unwound) = (&mut self.leaving, &self.unwound);
        let contain = |index: usize, f: &mut dyn FnMut()| {
            give_back_places(|| unwound[index].catch_panic(f));
        };
        let mut from = 0;
        for _ in 0..REGISTRIES {
            let mut left = leaving.slots.iter().enumerate().skip(from);
            let Some((index, first)) = left.find_map(|(index, it)| Some((index, it.clone()?)))
            else {
                break;
            };
            let mut registry = Some(first.keep_registry());
            first.leave_together(leaving, &contain);
            // One by one, since each of the two may panic: the key and the value, and what the
            // user has given to the registry.
            let mut first = Some(first);
            contain(index, &mut || drop(first.take()));
            contain(index, &mut || drop(registry.take()));
            from = index + 1;
        }
        for (index, slot) in leaving.slots.drain(..).enumerate().skip(from) {
            if let Some(slot) = slot {
                let leave = || unwound[index].leave(slot.into(), Exit::Settling { clean: true });
                give_back_places(leave);
            }
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

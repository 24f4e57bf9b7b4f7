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
use super::memberships::{Exit, Leaving, Membership, Memberships};
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
    /// The slots of those that have one alone, with the index of each in the batch.
    only: Vec<(usize, Arc<dyn Membership>)>,
    leaving: [InRegistry; REGISTRIES],
}

/// The connections of a batch that leave this registry.
#[derive(Default)]
struct InRegistry {
    leaving: Leaving,
    /// The index of each in the batch.
    of: Vec<usize>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(group: &'a Group<Lifecycle>) -> Self {
        Self {
            group,
            to_close: Vec::new(),
            unwound: Vec::new(),
            only: Vec::new(),
            leaving: Default::default(),
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
        match places.into_only() {
            // Not looked at yet: it is beyond the caches.
            Ok(only) => self.only.push((self.unwound.len(), only)),
            Err(none) if none.is_empty() => {}
            Err(several) => {
                give_back_places(|| lifecycle.leave(several, Exit::Settling { clean: true }));
            }
        }
        self.unwound.push(lifecycle);
        if self.unwound.len() == MOST {
            self.settle();
        }
    }
}

impl Batch<'_> {
    /// Sorts the slots by their registries. Those of further ones leave.
    fn sort_slots(&mut self) {
        for (index, slot) in self.only.drain(..) {
            let is_it = |of: &&mut InRegistry| match of.leaving.slots.first() {
                Some(Some(first)) => first.registry() == slot.registry(),
                _ => true,
            };
            let Some(InRegistry { leaving, of }) = self.leaving.iter_mut().find(is_it) else {
                let lifecycle = &self.unwound[index];
                let leave = || lifecycle.leave(slot.into(), Exit::Settling { clean: true });
                give_back_places(leave);
                continue;
            };
            leaving.places.push(slot.place());
            leaving.slots.push(Some(slot));
            of.push(index);
        }
    }

    /// Keeps its memory for the next ones.
    pub(crate) fn settle(&mut self) {
        if self.unwound.is_empty() {
            return;
        }
        self.sort_slots();
        let unwound = &self.unwound;
        for InRegistry { leaving, of } in &mut self.leaving {
            let Some(first) = leaving.slots.first().cloned().flatten() else {
                break;
            };
            let contain = |index: usize, f: &mut dyn FnMut()| {
                let lifecycle = &unwound[of[index]];
                give_back_places(|| lifecycle.catch_panic(f));
            };
            first.leave_together(leaving, &contain);
            // The last slot drops what the user has given to the registry.
            let mut first = Some(first);
            contain(0, &mut || drop(first.take()));
            leaving.slots.clear();
            leaving.places.clear();
            of.clear();
        }
        for lifecycle in &self.unwound {
            if let Some(events) = lifecycle.events() {
                lifecycle.tell_settled(events, lifecycle.how_it_closed());
            }
        }
        self.group
            .settle_each(&self.unwound, Lifecycle::wake_settled);
        self.unwound.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

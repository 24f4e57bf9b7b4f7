//! How a connection enters a scope and all above it (I6).
//!
//! First it takes a place behind each gate, which is where a full or draining scope refuses
//! before anything is made for the connection. Then it enters the shards, under the locks of
//! all of them, unless a drain has begun in between.
//!
//! The places are taken from the scope outwards. A place that a full scope above makes
//! useless is given back, and is missing to others for that time: they would have met the
//! same full scope.

use std::sync::Arc;

use super::stats::Stats;
use super::{Group, Member};
use crate::error::OpenError;
use crate::sync::{AtomicU64, Ordering};

/// A place behind the gate of a scope and of each above it, given back when it is dropped.
pub(crate) struct Place<'a, M>(&'a Group<M>);

/// How often a scope refused.
///
/// ORDERING: all Relaxed, because the numbers are only read.
#[derive(Default)]
pub(crate) struct Refusals {
    full: AtomicU64,
    draining: AtomicU64,
}

impl<M> Group<M> {
    /// Takes a place behind each gate, or counts a refusal.
    #[inline]
    pub(crate) fn reserve(&self) -> Result<Place<'_, M>, OpenError> {
        match self.take_places() {
            Ok(()) => Ok(Place(self)),
            Err(refused) => Err(self.refuse(refused)),
        }
    }

    #[inline(always)]
    fn take_places(&self) -> Result<(), OpenError> {
        self.gate.admit()?;
        match &self.parent {
            None => Ok(()),
            Some(parent) => parent
                .take_places_above()
                .inspect_err(|_| self.gate.leave()),
        }
    }

    #[cold]
    fn take_places_above(&self) -> Result<(), OpenError> {
        self.take_places()
    }

    /// Counts a refusal, by this scope or by one above it.
    #[cold]
    fn refuse(&self, refused: OpenError) -> OpenError {
        let refused = match refused {
            OpenError::Full if self.is_draining() => OpenError::Draining,
            refused => refused,
        };
        for group in self.and_above() {
            group.refusals.add(refused);
        }
        refused
    }
}

impl<M: Member> Place<'_, M> {
    /// Lets `member` in, and keeps its place until it has settled.
    #[inline]
    pub(crate) fn enter(self, member: &Arc<M>) -> Result<(), OpenError> {
        self.0.enter(member).map_err(|it| self.0.refuse(it))?;
        std::mem::forget(self);
        Ok(())
    }
}

impl<M: Member> Group<M> {
    #[inline(always)]
    fn enter(&self, member: &Arc<M>) -> Result<(), OpenError> {
        let mut members = self.members.lock(member.id().shard());
        // Under the lock: a thread that reads this shard after the gate was closed finds all
        // that were admitted before (I6).
        if self.gate.is_closed() {
            return Err(OpenError::Draining);
        }
        if let Some(parent) = &self.parent {
            parent.enter_above(member)?;
        }
        members.insert(Arc::clone(member), self.depth);
        Ok(())
    }

    #[cold]
    fn enter_above(&self, member: &Arc<M>) -> Result<(), OpenError> {
        self.enter(member)
    }
}

impl<M> Drop for Place<'_, M> {
    fn drop(&mut self) {
        self.0.and_above().for_each(|group| group.gate.leave());
    }
}

impl Refusals {
    fn add(&self, refused: OpenError) {
        let count = match refused {
            OpenError::Full => &self.full,
            OpenError::Draining => &self.draining,
            OpenError::NoRuntime | OpenError::Closed(_) => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        stats.refused_full += self.full.load(Ordering::Relaxed);
        stats.refused_draining += self.draining.load(Ordering::Relaxed);
    }
}

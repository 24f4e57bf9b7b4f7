//! What the key protects: it refuses lower epochs, and counts what must not happen.

use std::sync::{Arc, Mutex};

use hangup_cluster::{Epoch, Predecessor};

/// A resource that one owner at a time sets up and takes down.
#[derive(Clone, Default)]
pub(crate) struct Resource(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    inside: Vec<Epoch>,
    highest: Option<Epoch>,
    /// Set-ups that began while an earlier one was inside, and were not told so.
    overlaps: usize,
    /// Set-ups whose epoch was not above all before.
    backwards: usize,
    /// Undos of an owner that is not the latest.
    late_undos: usize,
    entered: usize,
    writes: usize,
    /// Writes of an owner that is not the latest.
    late_writes: usize,
}

impl Resource {
    pub(crate) fn enter(&self, epoch: Epoch, predecessor: Predecessor) {
        let mut state = self.0.lock().unwrap();
        state.entered += 1;
        if state.highest.is_some_and(|highest| highest >= epoch) {
            state.backwards += 1;
        }
        match predecessor {
            Predecessor::Settled => state.overlaps += usize::from(!state.inside.is_empty()),
            // It resets what is left of those before.
            Predecessor::Unsettled => state.inside.clear(),
        }
        state.highest = state.highest.max(Some(epoch));
        state.inside.push(epoch);
    }

    pub(crate) fn write(&self, epoch: Epoch) {
        let mut state = self.0.lock().unwrap();
        state.writes += 1;
        if state.highest > Some(epoch) {
            state.late_writes += 1;
        }
    }

    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    pub(crate) fn leave(&self, epoch: Epoch) {
        let mut state = self.0.lock().unwrap();
        if state.highest > Some(epoch) {
            state.late_undos += 1;
        }
        state.inside.retain(|inside| *inside != epoch);
    }

    pub(crate) fn entered(&self) -> usize {
        self.0.lock().unwrap().entered
    }

    pub(crate) fn late_undos(&self) -> usize {
        self.0.lock().unwrap().late_undos
    }

    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let state = self.0.lock().unwrap();
        assert_eq!(state.overlaps, 0, "overlapping owners");
        assert_eq!(state.backwards, 0, "epochs that do not ascend");
        assert_eq!(
            state.late_writes, 0,
            "writes of an owner that was succeeded"
        );
    }

    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        assert_eq!(
            self.0.lock().unwrap().inside,
            [],
            "owners that are not undone"
        );
    }
}

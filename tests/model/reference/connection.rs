//! One connection, and what was acquired for it.

use hangup::{CloseReason, Closed, Phase, State};

use super::places::Place;
use crate::op::{Policy, Undo};

pub(super) struct Connection {
    pub(super) state: State,
    pub(super) in_step: bool,
    pub(super) settled_at: Option<usize>,
    /// Whom it replaces when it goes live.
    pub(super) replaces: Vec<(Policy, Place)>,
    /// All that were registered.
    undos: Vec<Undo>,
    /// The numbers of those that are still to run.
    to_undo: Vec<usize>,
    pub(super) undone: Vec<usize>,
    pub(super) panics: usize,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            state: State::Pending,
            in_step: false,
            settled_at: None,
            replaces: Vec::new(),
            undos: Vec::new(),
            to_undo: Vec::new(),
            undone: Vec::new(),
            panics: 0,
        }
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.state.closed()
    }

    pub(super) fn has_settled(&self) -> bool {
        self.settled_at.is_some()
    }

    pub(super) fn on_close(&mut self, undo: Undo) {
        self.to_undo.push(self.undos.len());
        self.undos.push(undo);
        if self.closed().is_some() {
            self.unwind();
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason) -> Result<(), Closed> {
        let from = match self.state {
            State::Pending => Phase::Pending,
            State::Registering => Phase::Registering,
            State::Live => Phase::Live,
            State::Closed(closed) => return Err(closed),
        };
        self.state = State::Closed(Closed { reason, from });
        Ok(())
    }

    /// Newest first.
    pub(super) fn unwind(&mut self) {
        while let Some(number) = self.to_undo.pop() {
            self.undone.push(number);
            if let Undo::Panicking = self.undos[number] {
                self.panics += 1;
            }
        }
    }
}

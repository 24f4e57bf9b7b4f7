//! Checks of idle connections and of the idle server.

use super::state::{LATE_TICKS, Run, RunError};
use crate::fault::Fault;
use crate::kind::{Kind, Levels};
use crate::party::Party;

impl<E: Clone + 'static> Run<E> {
    /// Returns what an idle connection lacks that is alone.
    pub(super) fn disturbed(&mut self, task: usize, at_rest: Option<&Levels>) -> Vec<Fault> {
        if !self.is_pending(task) {
            return Vec::new();
        }
        let party = self.tasks[task].party;
        self.expect_whole(party);
        match at_rest {
            Some(at_rest) => self.trial.ledger().state().missing(at_rest, party),
            None => Vec::new(),
        }
    }

    /// Returns a fault if a connection has ended that was open and that nothing ended. The
    /// first one was open if it has begun to respond. A second one was if it responded while
    /// all tasks were idle: one that is refused responds too, and ends by itself.
    pub(super) fn cut_off(&self, task: usize, at_rest: Option<&Levels>) -> Option<Fault> {
        let by = self.tasks[task].party;
        let was_open = match by {
            Party::First => self.plan.stays_open || self.trial.has_responded(by),
            _ => self.rested.contains(&by),
        };
        // Undisturbed, it would be open.
        let is_fault = at_rest.is_some() && was_open && !self.is_pending(task);
        is_fault.then_some(Fault::CutOff { by })
    }

    /// Checks that a connection that responds has received every item.
    pub(super) fn expect_whole(&mut self, party: Party) {
        if self.trial.is_responding(party) {
            self.trial.ledger().state().expect_all_delivered(party);
        }
    }

    /// Returns a fault for each index in which the ended connection is visible.
    pub(super) fn still_visible(&self) -> Vec<Fault> {
        let by = Party::First;
        let shown = self.trial.ledger().state().shown(by);
        let faults = shown.into_iter();
        faults
            .map(|name| Fault::VisibleNotLive { name, by })
            .collect()
    }

    /// Returns the permits and the remote state that are held for a connection that is closed
    /// and whose client does not read, and the indexes in which it is visible. Its other
    /// resources may be in the body, which the transport has, and a receiver is no harm there.
    pub(super) fn left_of(&self, party: Party) -> Vec<Fault> {
        let of_it = |fault: &Fault| match fault {
            Fault::Left { kind, by, .. } if *by == party => {
                matches!(kind, Kind::Permit | Kind::Switch)
            }
            _ => false,
        };
        let mut faults = self.still_visible();
        faults.extend(self.left().into_iter().filter(of_it));
        faults
    }

    /// Returns what remains held, however much time passes.
    pub(super) fn left_for_good(&mut self) -> Result<Vec<Fault>, RunError> {
        let mut ticks = LATE_TICKS;
        loop {
            let left = self.left();
            if left.is_empty() || !self.step(None, &mut ticks)? {
                return Ok(left);
            }
        }
    }

    /// Returns what is held after all connections have ended.
    pub(super) fn left(&self) -> Vec<Fault> {
        let mut left = self.trial.ledger().state().left(&self.before);
        for task in &self.tasks {
            if task.is_left() {
                left.push(Fault::Left {
                    kind: Kind::Task,
                    name: task.name.clone(),
                    by: task.party,
                    after_end: task.after_end,
                    after_undo: false,
                    looked: false,
                });
            }
        }
        left
    }
}

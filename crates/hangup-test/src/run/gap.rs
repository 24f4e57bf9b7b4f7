//! The gap between two statements of a handler, in which a case may interfere.

use std::any::Any;

use super::state::{Due, FIRST, Run};
use crate::party::Party;
use crate::statement::{Interrupt, TrialId};

impl<E: Clone + 'static> Interrupt for Run<E> {
    fn at_statement(&mut self, of: TrialId, label: String) {
        let is_begun = self.is_pending(FIRST) && self.interfered.is_none();
        let of_first = self.trial.ledger().state().actor == Party::First;
        if of != self.trial.id() || !is_begun || !of_first {
            return;
        }
        let point = self.points.len();
        self.statements.insert(point);
        self.reach(label);
        let is_due = |due: &mut Due| due.case.point == point;
        let Some(due) = self.due.take_if(is_due) else {
            return;
        };
        // What the handler has acquired in this poll is its own.
        self.look(Party::First);
        let begun = match self.compare(&due.usual) {
            Ok(()) => {
                self.interferes(&due.case);
                self.begin(&due.case.ending)
            }
            Err(error) => Err(error),
        };
        self.begun = Some(begun);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

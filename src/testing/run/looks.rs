//! What is to be seen of a server from outside.

use std::collections::BTreeSet;

use super::{FIRST, LATE_TICKS, ONGOING, RUNTIME, Run, Stuck, Undisturbed};
use crate::testing::fault::Fault;
use crate::testing::ledger::{Kind, Party};

impl<E: Clone + 'static> Run<'_, E> {
    /// What a connection lacks that is alone and at rest.
    pub(super) fn disturbed(&mut self, task: usize, usual: &Undisturbed) -> Vec<Fault> {
        if !self.is_pending(task) {
            return Vec::new();
        }
        let party = self.tasks[task].party;
        self.expect_whole(party);
        match &usual.at_rest {
            Some(at_rest) => self.trial.ledger().books().missing(at_rest, party),
            None => Vec::new(),
        }
    }

    /// At rest, an open connection must have got everything.
    pub(super) fn expect_whole(&mut self, party: Party) {
        if self.trial.is_responding(party) {
            self.trial.ledger().books().expect_all_delivered(party);
        }
    }

    /// Looks at everything that is to be seen between two polls.
    pub(super) fn look(&mut self, actor: Party) {
        let ledger = self.trial.ledger();
        let server = self.server.as_ref().expect(ONGOING);
        for probe in &self.plan.probes {
            // What cannot be seen is as it was.
            if let Some(level) = self.user_code(actor, || (probe.level)(server)) {
                ledger.acting(actor, || {
                    ledger.books().observe(probe.kind, &probe.name, level);
                });
            }
        }
        let tasks = self.time.tasks();
        ledger.acting(actor, || {
            ledger.books().observe(Kind::Task, RUNTIME, tasks);
        });
        let responding = self.trial.is_responding(Party::First) && self.is_pending(FIRST);
        let mut books = ledger.books();
        let shown = books.entries();
        match &self.together {
            None => self.seen_in.push(shown),
            Some(together) => books.faults.extend(half_visible(together, &shown)),
        }
        if responding && self.interfered.is_none() {
            let given_back = books.permits_below(1);
            let faults = given_back
                .into_iter()
                .map(|name| Fault::WithoutPermit { name });
            books.faults.extend(faults);
        }
    }

    /// Where a connection that is gone is found.
    pub(super) fn still_visible(&self) -> Vec<Fault> {
        let by = Party::First;
        let shown = self.trial.ledger().books().shown(by);
        let faults = shown.into_iter();
        faults
            .map(|name| Fault::VisibleNotLive { name, by })
            .collect()
    }

    /// What is left however long one waits.
    pub(super) fn left_for_good(&mut self) -> Result<Vec<Fault>, Stuck> {
        let mut ticks = LATE_TICKS;
        loop {
            let left = self.left();
            if left.is_empty() || !self.step(None, &mut ticks)? {
                return Ok(left);
            }
        }
    }

    /// What is left when all connections are gone.
    pub(super) fn left(&self) -> Vec<Fault> {
        let mut left = self.trial.ledger().books().left(&self.before);
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

/// Found in some of these indexes, and not in others.
pub(super) fn half_visible(together: &BTreeSet<String>, shown: &BTreeSet<String>) -> Option<Fault> {
    let hidden = together.difference(shown).next()?.clone();
    let shown = together.intersection(shown).next()?.clone();
    Some(Fault::HalfVisible { shown, hidden })
}

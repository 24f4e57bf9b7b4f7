//! What the kit sees of a server between two polls.

use std::collections::BTreeSet;

use super::state::{FIRST, ONGOING, RUNTIME, Run};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::panic::catch_panic;
use crate::party::Party;
use crate::trial::INJECTED;

impl<E: Clone + 'static> Run<'_, E> {
    /// Runs user code on behalf of `party`. Returns `None` if it panicked. A panic that
    /// was not injected is a fault.
    pub(super) fn user_code<T>(&self, party: Party, f: impl FnOnce() -> T) -> Option<T> {
        let ledger = self.trial.ledger();
        match catch_panic(|| self.time.enter(|| ledger.acting(party, f))) {
            Ok(value) => Some(value),
            Err(message) => {
                if message != INJECTED {
                    ledger.state().faults.push(Fault::Panicked { message });
                }
                None
            }
        }
    }

    /// Updates the ledger from the probes, and checks what must hold between two polls.
    pub(super) fn look(&mut self, actor: Party) {
        let ledger = self.trial.ledger();
        let server = self.server.as_ref().expect(ONGOING);
        for probe in &self.plan.probes {
            // A probe that panics leaves its last level in place.
            if let Some(level) = self.user_code(actor, || (probe.level)(server)) {
                ledger.acting(actor, || {
                    ledger.state().observe(probe.kind, &probe.name, level);
                });
            }
        }
        let tasks = self.time.tasks();
        ledger.acting(actor, || {
            ledger.state().observe(Kind::Task, RUNTIME, tasks);
        });
        let responding = self.trial.is_responding(Party::First) && self.is_pending(FIRST);
        let mut state = ledger.state();
        let shown = state.entries();
        match &self.together {
            None => self.seen_in.push(shown),
            Some(together) => state.faults.extend(half_visible(together, &shown)),
        }
        if responding && self.interfered.is_none() {
            let given_back = state.permits_below(1);
            let faults = given_back
                .into_iter()
                .map(|name| Fault::WithoutPermit { name });
            state.faults.extend(faults);
        }
    }
}

/// Returns a fault if the connection is visible in some of these indexes and not in
/// others.
pub(super) fn half_visible(together: &BTreeSet<String>, shown: &BTreeSet<String>) -> Option<Fault> {
    let hidden = together.difference(shown).next()?.clone();
    let shown = together.intersection(shown).next()?.clone();
    Some(Fault::HalfVisible { shown, hidden })
}

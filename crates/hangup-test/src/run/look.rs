//! What the kit sees of a server between two polls.

use std::collections::BTreeSet;

use super::state::{FIRST, ONGOING, RUNTIME, Run};
use super::task::Task;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::panic::catch_panic;
use crate::party::Party;
use crate::statement;
use crate::trial::INJECTED;

impl<E: Clone + 'static> Run<E> {
    /// Runs user code on behalf of `party`. Returns `None` if it panicked. A panic that
    /// was not injected is a fault.
    pub(super) fn user_code<T>(&mut self, party: Party, f: impl FnOnce() -> T) -> Option<T> {
        let (trial, time) = (self.trial.clone(), self.time.clone());
        let lent = Box::new(Self {
            core: self.core.take(),
        });
        let call = || catch_panic(|| time.enter(|| trial.ledger().acting(party, f)));
        let (mut lent, called) = statement::lend(lent, call);
        self.core = lent.core.take();
        match called {
            Ok(value) => Some(value),
            Err(message) => {
                self.panicked(message);
                None
            }
        }
    }

    pub(super) fn panicked(&self, message: String) {
        if message != INJECTED {
            let fault = Fault::Panicked { message };
            self.trial.ledger().state().faults.push(fault);
        }
    }

    /// Updates the ledger from the probes, and checks what must hold between two polls.
    pub(super) fn look(&mut self, actor: Party) {
        for message in self.time.take_panics() {
            self.panicked(message);
        }
        let trial = self.trial.clone();
        let ledger = trial.ledger();
        let server = self.server.as_ref().expect(ONGOING);
        for probe in &self.plan.probes {
            // It is user code, but not that of a handler: no statement of it is a point.
            let look = || (probe.level)(server);
            match catch_panic(|| self.time.enter(|| ledger.acting(actor, look))) {
                Ok(level) => ledger.acting(actor, || {
                    ledger.state().observe(probe.kind, &probe.name, level);
                }),
                // It leaves its last level in place.
                Err(message) => self.panicked(message),
            }
        }
        let tasks = self.time.tasks();
        if tasks != self.on_runtime {
            self.on_runtime = tasks;
            let observe = || ledger.state().observe(Kind::Task, RUNTIME, tasks);
            ledger.acting(actor, observe);
        }
        let mut state = ledger.state();
        let core = self.core.as_mut().expect(ONGOING);
        match &core.together {
            // In the middle of a poll, indexes may differ.
            _ if !core.running.is_empty() => {}
            Some(together) if together.is_empty() => {}
            None => core.seen_in.push(state.entries()),
            Some(together) => {
                let fault = half_visible(together, &state.entries());
                state.faults.extend(fault);
            }
        }
        drop(state);
        if !self.trial.has_pipe(Party::First) {
            self.expect_permits();
        }
    }

    /// Checks what must hold while all tasks are idle.
    pub(super) fn look_at_rest(&mut self) {
        let is_busy = |task: &Task| task.future.is_some() && task.woken.is_woken();
        // Before that, the client may be about to read the end of the response.
        if self.trial.has_pipe(Party::First) && !self.tasks.iter().any(is_busy) {
            self.expect_permits();
        }
    }

    /// Checks that permits are held while the response is streamed.
    fn expect_permits(&self) {
        let responding = self.trial.is_responding(Party::First) && self.is_pending(FIRST);
        if !responding || self.interfered.is_some() {
            return;
        }
        let mut state = self.trial.ledger().state();
        let given_back = state.permits_below(1);
        let faults = given_back
            .into_iter()
            .map(|name| Fault::WithoutPermit { name });
        state.faults.extend(faults);
    }
}

/// Returns a fault if the connection is visible in some of these indexes and not in
/// others.
pub(super) fn half_visible(together: &BTreeSet<String>, shown: &BTreeSet<String>) -> Option<Fault> {
    let hidden = together.difference(shown).next()?.clone();
    let shown = together.intersection(shown).next()?.clone();
    Some(Fault::HalfVisible { shown, hidden })
}

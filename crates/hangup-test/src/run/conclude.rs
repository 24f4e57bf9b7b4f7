//! The second part of an ending: the server becomes idle again, and what is open is checked.

use super::state::{Begun, FIRST, MOST_TICKS, RUNTIME, Run, RunError, TICKS};
use super::task::Task;
use crate::ending::Ending;
use crate::fault::Fault;
use crate::kind::Levels;
use crate::party::Party;
use crate::time::Time;

impl<E: Clone + 'static> Run<E> {
    /// Concludes `ending`, and adds what it finds to the faults.
    pub(super) fn conclude(
        &mut self,
        ending: &Ending,
        begun: &mut Begun,
        at_rest: Option<&Levels>,
    ) -> Result<(), RunError> {
        let faults = match ending {
            Ending::Dropped | Ending::Panic | Ending::Signal => Vec::new(),
            Ending::Closed => self.conclude_close(begun, at_rest)?,
            Ending::Shutdown => self.shut_down(begun)?,
            Ending::Newcomer { dropped_at } => {
                self.conclude_meeting(begun, dropped_at.is_none(), at_rest)?
            }
            Ending::Successor(_) => {
                self.rest(None)?;
                let mut faults = Vec::new();
                if let Some((successor, _)) = begun.second {
                    faults = self.disturbed(successor, at_rest);
                    faults.extend(self.cut_off(successor, at_rest));
                    self.drop_task(successor);
                }
                faults
            }
            Ending::Visitor(_) => {
                self.rest(None)?;
                let mut faults = self.disturbed(FIRST, at_rest);
                let is_open = begun.at_peace || self.plan.stays_open;
                faults.extend(is_open.then(|| self.cut_off(FIRST, at_rest)).flatten());
                faults
            }
            Ending::Event(name) => {
                self.rest(None)?;
                let mut faults = self.disturbed(FIRST, at_rest);
                if !self.plan.may_end.contains(name) {
                    faults.extend(self.cut_off(FIRST, at_rest));
                }
                faults
            }
            Ending::Stalled => self.conclude_stall(false)?,
            Ending::StalledAtShutdown => self.conclude_stall(true)?,
        };
        begun.faults.extend(faults);
        Ok(())
    }

    fn conclude_close(
        &mut self,
        begun: &Begun,
        at_rest: Option<&Levels>,
    ) -> Result<Vec<Fault>, RunError> {
        let Some(act) = begun.act else {
            return Ok(Vec::new());
        };
        self.finish(Some(act))?;
        if begun.has_closed.get() || self.is_pending(act) {
            self.rest(None)?;
            let lingers = self.is_pending(FIRST) || self.is_pending(act);
            let lingers = lingers.then_some(Fault::Lingers);
            return Ok(lingers.into_iter().collect());
        }
        // The server did not find the connection yet.
        self.trial.ledger().state().ended.remove(&Party::First);
        self.rest(None)?;
        Ok(self.disturbed(FIRST, at_rest))
    }

    /// Runs until an action of the test is over, or all tasks are idle.
    fn finish(&mut self, act: Option<usize>) -> Result<(), RunError> {
        let mut ticks = TICKS;
        while act.is_some_and(|act| self.is_pending(act)) && self.step(None, &mut ticks)? {}
        Ok(())
    }

    fn conclude_meeting(
        &mut self,
        begun: &Begun,
        meets: bool,
        at_rest: Option<&Levels>,
    ) -> Result<Vec<Fault>, RunError> {
        let Some((newcomer, _)) = begun.second else {
            return Ok(Vec::new());
        };
        let mut faults = Vec::new();
        if meets {
            self.rest(None)?;
            if self.is_pending(newcomer) != self.is_pending(FIRST) {
                let lone = if self.is_pending(FIRST) {
                    FIRST
                } else {
                    newcomer
                };
                faults.extend(self.disturbed(lone, at_rest));
            }
            let both_ended = !self.is_pending(newcomer) && !self.is_pending(FIRST);
            // Either connection may refuse the other or take over from it, but not both.
            let is_fault = both_ended && at_rest.is_some();
            faults.extend(is_fault.then_some(Fault::BothEnded));
            let both_open = self.is_pending(newcomer) && self.is_pending(FIRST);
            let is_fault = both_open && self.plan.one_per_key;
            faults.extend(is_fault.then_some(Fault::BothOpen));
        }
        let was_pending = self.is_pending(newcomer);
        self.drop_task(FIRST);
        self.rest(None)?;
        faults.extend(self.disturbed(newcomer, at_rest));
        if was_pending {
            faults.extend(self.cut_off(newcomer, at_rest));
        }
        self.drop_task(newcomer);
        Ok(faults)
    }

    /// Checks that the server can end a connection whose client does not read.
    fn conclude_stall(&mut self, at_shutdown: bool) -> Result<Vec<Fault>, RunError> {
        self.rest(None)?;
        if !self.is_pending(FIRST) {
            return Ok(Vec::new());
        }
        if at_shutdown {
            let begun = self.begin(&Ending::Shutdown)?;
            return self.shut_down(&begun);
        }
        let begun = self.begin(&Ending::Closed)?;
        self.finish(begun.act)?;
        self.rest(None)?;
        if begun.act.is_some_and(|act| self.is_pending(act)) {
            return Ok(vec![Fault::Lingers]);
        }
        Ok(match begun.has_closed.get() {
            // Its body is not polled, so the handler need not end, and holds what it holds as
            // long as the client stays.
            true => self.left_of(Party::First),
            // It may have ended before, or it is not set up as far as it would be.
            false => Vec::new(),
        })
    }

    fn shut_down(&mut self, begun: &Begun) -> Result<Vec<Fault>, RunError> {
        let Some(act) = begun.act else {
            return Ok(Vec::new());
        };
        let mut ticks = MOST_TICKS;
        while self.is_pending(act) && self.step(None, &mut ticks)? {}
        let exits = !self.is_pending(act);
        self.drop_task(act);
        if exits && self.tasks[FIRST].suspended > 0 {
            // The connection was accepted, so its handler gets the polls for which it is
            // woken.
            while self.tasks[FIRST].woken.is_woken() && self.is_pending(FIRST) {
                self.polls_left = self.polls_left.checked_sub(1).ok_or(RunError::Endless)?;
                self.poll(FIRST, false);
            }
        }
        let was_open = self.interfered.unwrap_or(true);
        // Over a pipe, the head may have been on its way, and the end of the body behind it.
        let is_certain = !exits || !self.trial.has_pipe(Party::First);
        let went_live = !was_open && is_certain && self.trial.is_responding(Party::First);
        let mut faults = Vec::new();
        faults.extend((!exits && !went_live).then_some(Fault::NeverExits));
        faults.extend(went_live.then_some(Fault::LiveAfterShutdown));
        if !exits {
            return Ok(faults);
        }
        // The process ends here. Tasks that have not run are dropped.
        let spawned = self.trial.end();
        self.tasks_lost = self.tasks.iter().any(Task::is_left);
        self.user_code(Party::Server, || drop(spawned));
        for task in 0..self.tasks.len() {
            self.drop_task(task);
        }
        let servers = self.before.get(RUNTIME).map_or(0, |(_, held)| *held);
        self.tasks_lost |= self.trial.has_lost() || self.time.tasks() > servers;
        self.time = Time::OfTheTrial;
        self.look(Party::Server);
        Ok(faults)
    }
}

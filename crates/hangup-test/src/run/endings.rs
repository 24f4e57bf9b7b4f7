//! The endings of a run.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::rc::Rc;

use super::state::{FIRST, MOST_TICKS, RUNTIME, Run, RunError, TICKS};
use super::task::{Role, Task};
use crate::client::Client;
use crate::fault::Fault;
use crate::kind::Levels;
use crate::party::Party;
use crate::plan::{Act, LocalFuture};
use crate::time::Time;
use crate::trial::INJECTED;

impl<E: Clone + 'static> Run<'_, E> {
    /// Lets a second connection arrive, and drops the first.
    pub(super) fn meet(
        &mut self,
        dropped_at: Option<usize>,
        at_rest: Option<&Levels>,
        faults: &mut Vec<Fault>,
    ) -> Result<usize, RunError> {
        let newcomer = self.arrive();
        let suspended = self.run_newcomer(newcomer, dropped_at)?;
        if dropped_at.is_none() {
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
        }
        self.drop_task(FIRST);
        self.rest(None)?;
        faults.extend(self.disturbed(newcomer, at_rest));
        self.drop_task(newcomer);
        Ok(suspended)
    }

    pub(super) fn arrive(&mut self) -> usize {
        let client = Client::new(&self.trial, Party::Newcomer);
        let handler = self.handler(&client);
        let name = "the newcomer's handler".into();
        self.add(Party::Newcomer, Role::Handler, name, handler)
    }

    /// Runs until the second connection has been suspended `until` times, or all tasks
    /// are idle. Returns how often it was suspended.
    pub(super) fn run_newcomer(
        &mut self,
        newcomer: usize,
        until: Option<usize>,
    ) -> Result<usize, RunError> {
        let mut ticks = TICKS;
        let due = |run: &Self| until.is_some_and(|at| run.tasks[newcomer].suspended >= at);
        while self.is_pending(newcomer) && !due(self) && self.step(Some(FIRST), &mut ticks)? {}
        Ok(self.tasks[newcomer].suspended)
    }

    pub(super) fn close(&mut self, at_rest: Option<&Levels>) -> Result<Vec<Fault>, RunError> {
        self.ended(Party::First);
        let has_closed = Rc::new(Cell::new(false));
        let (server, closes) = (self.server(), Rc::clone(&has_closed));
        let close = self.plan.close.as_ref().map(Rc::clone);
        let closing = async move {
            if let Some(close) = close {
                closes.set(close(server).await);
            }
        };
        let act = self.act(Party::First, Box::pin(closing));
        let mut ticks = TICKS;
        while self.is_pending(act) && self.step(None, &mut ticks)? {}
        if has_closed.get() || self.is_pending(act) {
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

    pub(super) fn shut_down(&mut self) -> Result<Vec<Fault>, RunError> {
        let act = self.event(self.plan.shutdown.as_ref());
        let act = self.act(Party::Server, act);
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
        let went_live = !was_open && self.trial.is_responding(Party::First);
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

    /// Panics at the point where the handler waits. A wait outside the kit cannot panic,
    /// so the future is dropped during a panic.
    pub(super) fn panic(&mut self) {
        self.ended(Party::First);
        let waits_at = self.tasks[FIRST].waits_at.as_ref();
        if waits_at.is_some_and(|waits| waits.panics) {
            self.poll(FIRST, true);
        }
        if let Some(future) = self.tasks[FIRST].future.take() {
            let unwinding = || {
                let _dropped_by_it = future;
                resume_unwind(Box::new(INJECTED));
            };
            self.user_code(Party::First, unwinding);
            self.adopt();
            self.look(Party::First);
        }
        self.trial.set_responding(Party::First, false);
    }

    /// Starts an action of the test on the server, with one poll. Returns its task.
    pub(super) fn act(&mut self, party: Party, act: LocalFuture<()>) -> usize {
        let act = self.add(party, Role::Act, "what the test does".into(), act);
        self.poll(act, false);
        act
    }

    pub(super) fn event(&self, event: Option<&Rc<Act<E>>>) -> LocalFuture<()> {
        let (event, server) = (event.map(Rc::clone), self.server());
        Box::pin(async move {
            if let Some(event) = event {
                event(server).await;
            }
        })
    }

    /// Returns the future of the handler, which calls the handler in its first poll.
    pub(super) fn handler(&self, client: &Client) -> LocalFuture<()> {
        let handler = Rc::clone(&self.plan.handler);
        let (server, client) = (self.server(), client.clone());
        Box::pin(async move { handler(server, client).await })
    }
}

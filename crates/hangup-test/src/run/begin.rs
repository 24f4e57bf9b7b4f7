//! The first part of an ending: what happens at its point.

use std::rc::Rc;

use super::state::{Begun, FIRST, Run, RunError, TICKS};
use crate::ending::Ending;
use crate::fault::Fault;
use crate::party::Party;

impl<E: Clone + 'static> Run<E> {
    /// Begins `ending`. At a statement, the handler is in the middle of a poll: it is not
    /// dropped, and no time passes.
    pub(super) fn begin(&mut self, ending: &Ending) -> Result<Begun, RunError> {
        let at_statement = !self.running.is_empty();
        let mut begun = Begun::default();
        match ending {
            Ending::Dropped => {
                self.drop_task(FIRST);
                begun.faults = self.visible_after_end()?;
            }
            Ending::Panic => {
                self.panic();
                begun.faults = self.visible_after_end()?;
            }
            Ending::Closed => self.begin_close(&mut begun),
            Ending::Signal => self.fire(),
            Ending::Shutdown => {
                self.ended(Party::First);
                let act = self.event(self.plan.shutdown.clone().as_ref());
                begun.act = Some(self.act(Party::Server, act));
            }
            Ending::Newcomer { dropped_at } => {
                let newcomer = self.arrive();
                let suspended = self.run_newcomer(newcomer, *dropped_at)?;
                begun.second = Some((newcomer, suspended));
            }
            Ending::Visitor(at) => {
                let tasks = self.time.tasks();
                let visitor = self.arrive();
                let suspended = self.run_newcomer(visitor, Some(*at))?;
                begun.at_peace = self.is_at_peace(visitor, tasks);
                self.drop_task(visitor);
                begun.second = Some((visitor, suspended));
            }
            Ending::Successor(_) if at_statement => {
                // The first connection ends, and its handler does not know it yet.
                if self.plan.close.is_some() {
                    self.begin_close(&mut begun);
                } else {
                    self.fire();
                }
                let successor = self.arrive();
                begun.second = Some((successor, 0));
            }
            Ending::Successor(turns) => {
                self.drop_task(FIRST);
                begun.had_turns = self.give_turns(*turns)?;
                let successor = self.arrive();
                begun.second = Some((successor, 0));
            }
            Ending::Stalled | Ending::StalledAtShutdown => self.trial.stall(Party::First),
            Ending::Event(name) => {
                let plan = Rc::clone(&self.plan);
                let event = plan.events.iter().find(|event| event.0 == *name);
                let event = self.event(event.map(|(_, event)| event));
                begun.act = Some(self.act(Party::Server, event));
            }
        }
        // A second connection that is still there has been run as far as it should.
        if at_statement && !matches!(ending, Ending::Newcomer { .. }) {
            self.run_now()?;
        }
        Ok(begun)
    }

    /// Returns a fault for each index in which the connection is visible after its end. Over a
    /// pipe, that is when the server has seen the end of it, which it does while its handler waits
    /// at the point.
    fn visible_after_end(&mut self) -> Result<Vec<Fault>, RunError> {
        if self.trial.has_pipe(Party::First) {
            self.trial.hold_points();
            let settled = self.run_now();
            self.trial.let_points_go();
            settled?;
        }
        let has_ended = self.trial.ledger().state().ended.contains(&Party::First);
        Ok(if has_ended {
            self.still_visible()
        } else {
            Vec::new()
        })
    }

    fn begin_close(&mut self, begun: &mut Begun) {
        self.ended(Party::First);
        let (server, closes) = (self.server(), Rc::clone(&begun.has_closed));
        let close = self.plan.close.clone();
        let closing = async move {
            if let Some(close) = close {
                closes.set(close(server).await);
            }
        };
        begun.act = Some(self.act(Party::First, Box::pin(closing)));
    }

    fn fire(&mut self) {
        self.ended(Party::First);
        let client = self.client.clone();
        self.user_code(Party::First, || client.fire());
        self.adopt();
        self.look(Party::First);
    }

    /// Runs until the second connection has been suspended `until` times, or all tasks
    /// are idle. Returns how often it was suspended.
    fn run_newcomer(&mut self, newcomer: usize, until: Option<usize>) -> Result<usize, RunError> {
        let at_statement = !self.running.is_empty();
        let mut ticks = TICKS;
        let due = |run: &Self| until.is_some_and(|at| run.tasks[newcomer].suspended >= at);
        while self.is_pending(newcomer) && !due(self) {
            let goes_on = if at_statement {
                self.step_now(Some(FIRST))?
            } else {
                self.step(Some(FIRST), &mut ticks)?
            };
            if !goes_on {
                break;
            }
        }
        Ok(self.tasks[newcomer].suspended)
    }

    /// Runs until all tasks are idle, without letting time pass.
    fn run_now(&mut self) -> Result<(), RunError> {
        while self.step_now(None)? {}
        Ok(())
    }

    /// Returns `true` if `visitor` has set nothing in motion: no other task is about to do
    /// anything, and there are as many `tasks` on the runtime as before.
    fn is_at_peace(&self, visitor: usize, tasks: usize) -> bool {
        let mut others = self.tasks.iter().enumerate();
        let no_task = others
            .all(|(at, task)| at == visitor || task.future.is_none() || !task.woken.is_woken());
        no_task && self.running.is_empty() && self.time.tasks() <= tasks
    }
}

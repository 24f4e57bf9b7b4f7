//! The scheduler of a run.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::state::{FIRST, GRACE, MOST_TICKS, REST_TICKS, Run, RunError, TICKS, TURNS};
use super::task::Role;
use crate::ending::Order;
use crate::party::Party;

impl<E: Clone + 'static> Run<E> {
    /// Gives up to `turns` turns. Returns `true` if there were as many.
    pub(super) fn give_turns(&mut self, turns: usize) -> Result<bool, RunError> {
        let mut ticks = TICKS;
        for _ in 0..turns {
            if !self.step(None, &mut ticks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs until all tasks are idle.
    pub(super) fn rest(&mut self, held: Option<usize>) -> Result<(), RunError> {
        let until = self.time.elapsed().map(|now| now + GRACE);
        self.run_all(held, REST_TICKS)?;
        // An unrelated timer may have used up the ticks.
        let mut more = MOST_TICKS;
        while self.time.elapsed() < until && self.step(held, &mut more)? {}
        Ok(())
    }

    pub(super) fn run_all(
        &mut self,
        held: Option<usize>,
        mut ticks: usize,
    ) -> Result<(), RunError> {
        while self.step(held, &mut ticks)? {}
        Ok(())
    }

    /// Polls one woken task or lets time pass; the task `held` is not polled. Returns
    /// `false` if all tasks are idle.
    pub(super) fn step(
        &mut self,
        held: Option<usize>,
        ticks: &mut usize,
    ) -> Result<bool, RunError> {
        // What is on the runtime has its turn before the tasks of the trial.
        let runtime_first = self.order == Order::NewestFirst && self.interfered.is_some();
        if runtime_first && self.time.tasks() > 0 && self.next(held).is_some() {
            self.time.go_first();
            self.adopt();
            self.look(Party::Server);
        }
        if let Some(at) = self.next(held) {
            self.polls_left = self.polls_left.checked_sub(1).ok_or(RunError::Endless)?;
            self.poll(at, false);
            return Ok(true);
        }
        if held.is_some_and(|held| self.tasks[held].woken.is_woken()) {
            // The other tasks may run, but no time passes while `held` is woken.
            self.settle();
            return Ok(self.next(held).is_some());
        }
        let trial = self.trial.clone();
        let idle = self.tasks.iter().filter(|task| task.future.is_some());
        let idle = idle.map(|task| task.party);
        let rested: Vec<_> = idle.filter(|party| trial.is_responding(*party)).collect();
        self.rested.extend(rested);
        if *ticks == 0 {
            return Ok(false);
        }
        self.polls_left = self.polls_left.checked_sub(1).ok_or(RunError::Endless)?;
        let passed = self.time.pass(&self.trial, &self.waker);
        self.adopt();
        self.look(Party::Server);
        self.look_at_rest();
        if !passed.woken {
            return Ok(self.next(held).is_some());
        }
        *ticks -= usize::from(passed.time);
        Ok(true)
    }

    /// Does the same without letting time pass.
    pub(super) fn step_now(&mut self, held: Option<usize>) -> Result<bool, RunError> {
        if self.next(held).is_none() {
            self.settle();
        }
        let Some(at) = self.next(held) else {
            return Ok(false);
        };
        self.polls_left = self.polls_left.checked_sub(1).ok_or(RunError::Endless)?;
        self.poll(at, false);
        Ok(true)
    }

    /// Runs the tasks that are woken on the runtime.
    pub(super) fn settle(&mut self) {
        self.time.settle(&self.waker);
        self.adopt();
        self.look(Party::Server);
        self.look_at_rest();
    }

    /// Returns the task to be polled next.
    pub(super) fn next(&mut self, held: Option<usize>) -> Option<usize> {
        let ready = |at: &usize| {
            let task = &self.tasks[*at];
            task.future.is_some() && task.woken.is_woken() && Some(*at) != held
        };
        let first_of = |tasks: &mut dyn DoubleEndedIterator<Item = usize>| match self.order {
            Order::OldestFirst => tasks.next(),
            Order::NewestFirst => tasks.next_back(),
        };
        let next = first_of(&mut (0..self.tasks.len()).filter(ready))?;
        let is_choice = (0..self.tasks.len()).any(|at| at != next && ready(&at));
        // The task may be waiting for one of the others.
        let others = |at: &usize| ready(at) && *at != next;
        let other = match self.turns == (next, TURNS) {
            true => first_of(&mut (0..self.tasks.len()).filter(others)),
            false => None,
        };
        self.had_choice |= is_choice || self.time.tasks() > 0;
        other.or(Some(next))
    }

    pub(super) fn poll(&mut self, at: usize, panic_here: bool) {
        let task = &mut self.tasks[at];
        let party = task.party;
        let Some(mut future) = task.future.take() else {
            return;
        };
        task.woken.take();
        let waker = Waker::from(Arc::clone(&task.woken));
        self.turns = match self.turns {
            (last, turns) if last == at => (at, TURNS.min(turns + 1)),
            _ => (at, 1),
        };
        self.trial.begin_poll(panic_here);
        self.running.push(at);
        let polled = self.user_code(party, || {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            (polled.is_pending()).then_some(future)
        });
        self.running.pop();
        let waits_at = self.trial.end_poll();
        let task = &mut self.tasks[at];
        task.waits_at = waits_at;
        if let Some(Some(future)) = polled {
            task.future = Some(future);
            task.suspended += 1;
            let is_first = task.role == Role::Handler && task.suspended == 1;
            if is_first && self.interfered.is_none() {
                // A look at the entry says nothing about what comes after an `await`.
                self.trial.ledger().state().looked.remove(&party);
            }
        }
        self.adopt();
        self.look(party);
        if self.is_pending(FIRST) && self.interfered.is_none() {
            let task = &self.tasks[at];
            let label = match &task.waits_at {
                Some(waits) => waits.label.clone(),
                None => format!("suspension {}", task.suspended),
            };
            let label = match at {
                FIRST => label,
                _ if self.is_pending(at) => format!("a task at {label}"),
                _ => "the end of a task".into(),
            };
            self.reach(label);
        }
    }

    pub(super) fn drop_task(&mut self, at: usize) {
        let (party, role) = (self.tasks[at].party, self.tasks[at].role);
        if role == Role::Handler {
            self.trial.client_leaves(party);
            self.trial.set_responding(party, false);
        }
        if let Some(future) = self.tasks[at].future.take() {
            self.user_code(party, || drop(future));
            self.adopt();
            self.look(party);
        }
    }
}

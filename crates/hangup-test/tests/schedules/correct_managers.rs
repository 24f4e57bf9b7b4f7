//! A correct manager, written by hand: the schedules find nothing in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hangup::{CloseReason, Closed, Conflict, Phase, State};
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{count, passes};

/// Decides everything under one lock, and keeps one entry per connection: this is what a
/// manager needs without `hangup`.
#[derive(Clone)]
struct Correct {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    caps: Vec<Option<usize>>,
    policies: Vec<Conflict>,
    draining: Vec<bool>,
    entries: BTreeMap<usize, Entry>,
    aborts: bool,
    goes_live_at_join: bool,
    registers_at_open: bool,
}

struct Entry {
    scope: usize,
    phase: Phase,
    closed: Option<Closed>,
    /// In the order of joining.
    places: Vec<Place>,
    older: Vec<(usize, Place)>,
    in_step: bool,
    waits_for: Option<Vec<usize>>,
    steps: usize,
    undos_run: Vec<usize>,
    settled: bool,
}

impl Inner {
    fn entry(&mut self, who: usize) -> &mut Entry {
        self.entries.get_mut(&who).unwrap()
    }

    fn close(&mut self, who: usize, reason: CloseReason) -> Outcome {
        let aborts = self.aborts;
        let entry = self.entry(who);
        if entry.closed.is_some() {
            return Outcome::Closed;
        }
        let from = entry.phase;
        entry.closed = Some(Closed { reason, from });
        if aborts || !entry.in_step {
            entry.settle();
        }
        Outcome::Done
    }

    fn close_each(&mut self, whom: &[usize], reason: CloseReason) -> Outcome {
        let mut closed = whom.to_vec();
        closed.retain(|who| self.close(*who, reason) == Outcome::Done);
        Outcome::Count(closed.len())
    }

    fn holders(&self, at: Place) -> Vec<usize> {
        let all = self.entries.iter();
        all.filter(|(_, entry)| !entry.settled && entry.places.contains(&at))
            .map(|(who, _)| *who)
            .collect()
    }

    fn counted(&self, scope: usize) -> usize {
        let all = self.entries.values();
        all.filter(|entry| entry.scope == scope && !entry.settled)
            .count()
    }

    fn open(&mut self, who: usize, scope: usize) -> Outcome {
        let is_full = self.caps[scope].is_some_and(|cap| self.counted(scope) >= cap);
        if self.draining[scope] || is_full {
            return Outcome::Refused;
        }
        let phase = match self.registers_at_open {
            true => Phase::Registering,
            false => Phase::Pending,
        };
        let entry = Entry {
            scope,
            phase,
            closed: None,
            places: Vec::new(),
            older: Vec::new(),
            in_step: false,
            waits_for: None,
            steps: 0,
            undos_run: Vec::new(),
            settled: false,
        };
        self.entries.insert(who, entry);
        Outcome::Done
    }

    fn join(&mut self, who: usize, at: Place) -> Outcome {
        let held = self.holders(at);
        let max = match self.policies[at.registry] {
            Conflict::Replace => usize::MAX,
            Conflict::Share { max_per_key } => max_per_key.get(),
            _ => 1,
        };
        if held.len() >= max {
            return Outcome::Refused;
        }
        let replaces = self.policies[at.registry] == Conflict::Replace;
        let entry = self.entry(who);
        entry.places.push(at);
        if replaces {
            entry.older.extend(held.into_iter().map(|held| (held, at)));
        }
        self.joined(who)
    }

    fn joined(&mut self, who: usize) -> Outcome {
        match self.goes_live_at_join {
            true => self.go_live(who),
            false => Outcome::Done,
        }
    }

    fn go_live(&mut self, who: usize) -> Outcome {
        let entry = self.entry(who);
        entry.phase = Phase::Live;
        let older = std::mem::take(&mut entry.older);
        let older: Vec<_> = older.into_iter().map(|(held, _)| held).collect();
        self.close_each(&older, CloseReason::Superseded);
        Outcome::Done
    }

    fn poll(&mut self, who: usize) -> Outcome {
        let entry = &self.entries[&who];
        match &entry.waits_for {
            Some(older) if older.iter().all(|who| self.entries[who].settled) => {
                self.entry(who).waits_for = None;
                self.joined(who)
            }
            _ => Outcome::Waits,
        }
    }

    fn cancel(&mut self, who: usize) -> Outcome {
        let entry = self.entry(who);
        entry.in_step = false;
        let taking_over = entry.waits_for.take().is_some();
        if entry.closed.is_some() {
            entry.settle();
        } else if taking_over {
            let given_back = entry.places.pop().map(|at| (who, at));
            for entry in self.entries.values_mut() {
                entry.older.retain(|held| Some(*held) != given_back);
            }
        }
        Outcome::Done
    }

    /// Does what the owner of an open connection does.
    fn drive(&mut self, who: usize, op: Op) -> Outcome {
        match op {
            Op::Register(_) => self.entry(who).phase = Phase::Registering,
            Op::Join(_, at) => return self.join(who, at),
            Op::TakeOver(_, at) => {
                let held = self.holders(at);
                self.entry(who).places.push(at);
                self.close_each(&held, CloseReason::Superseded);
                self.entry(who).waits_for = Some(held);
                return self.poll(who);
            }
            Op::BeginStep(_) => {
                self.entry(who).steps += 1;
                self.entry(who).in_step = true;
                return Outcome::Waits;
            }
            Op::CompleteStep(_) => self.entry(who).in_step = false,
            Op::Poll(_) => return self.poll(who),
            Op::GoLive(_) => return self.go_live(who),
            op => unreachable!("{op}"),
        }
        Outcome::Done
    }
}

impl Entry {
    fn settle(&mut self) {
        if !self.settled {
            self.undos_run = (0..self.steps).rev().collect();
            self.settled = true;
        }
    }
}

impl Manager for Correct {
    fn apply(&mut self, op: Op) -> Outcome {
        let mut inner = self.inner.lock().unwrap();
        match op {
            Op::Open(who, scope) => inner.open(who, scope),
            Op::Close(who, why) => inner.close(who, why),
            Op::Drop(who) => {
                inner.entry(who).in_step = false;
                inner.close(who, CloseReason::Dropped);
                inner.entry(who).settle();
                Outcome::Done
            }
            Op::Cancel(who) => inner.cancel(who),
            Op::CloseKey(at, why) => {
                let held = inner.holders(at);
                inner.close_each(&held, why)
            }
            Op::CloseAll(scope, why) => {
                let all = inner.entries.iter().filter(|(_, e)| e.scope == scope);
                let all: Vec<_> = all.map(|(who, _)| *who).collect();
                inner.close_each(&all, why);
                // This manager does not count.
                Outcome::Done
            }
            Op::BeginDrain(scope) => {
                inner.draining[scope] = true;
                Outcome::Done
            }
            op => {
                let who = op.connection().unwrap();
                if inner.entries[&who].closed.is_none() {
                    return inner.drive(who, op);
                }
                inner.entry(who).in_step = false;
                inner.entry(who).settle();
                Outcome::Closed
            }
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let inner = self.inner.lock().unwrap();
        let mut held = inner.holders(at);
        held.retain(|who| {
            let entry = &inner.entries[who];
            entry.phase == Phase::Live && entry.closed.is_none()
        });
        held.reverse();
        held
    }

    fn count(&self, scope: usize) -> Option<i64> {
        i64::try_from(self.inner.lock().unwrap().counted(scope)).ok()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        Some(
            self.inner.lock().unwrap().entries[&connection]
                .undos_run
                .clone(),
        )
    }

    fn state(&self, connection: usize) -> Option<State> {
        let inner = self.inner.lock().unwrap();
        let entry = &inner.entries[&connection];
        Some(match (entry.closed, entry.phase) {
            (Some(closed), _) => State::Closed(closed),
            (None, Phase::Pending) => State::Pending,
            (None, Phase::Registering) => State::Registering,
            (None, Phase::Live) => State::Live,
        })
    }
}

fn correct_manager_passes(left_out: &[Kind], aborts: bool, cases: usize) {
    let policies = [Conflict::Replace, Conflict::Reject, Conflict::share(2)];
    let caps = [Some(2), None];
    let shape = Shape::new().registries(policies).scopes(caps);
    let shape = shape.without(left_out.iter().copied());
    let shape = match aborts {
        true => shape.close_ends_steps(),
        false => shape,
    };
    passes(&shape, cases, || Correct {
        inner: Arc::new(Mutex::new(Inner {
            caps: caps.to_vec(),
            policies: policies.to_vec(),
            draining: vec![false; caps.len()],
            entries: BTreeMap::new(),
            aborts,
            goes_live_at_join: left_out.contains(&Kind::GoLive),
            registers_at_open: left_out.contains(&Kind::Register),
        })),
    });
}

#[test]
fn nothing_is_found_in_a_correct_manager() {
    correct_manager_passes(&[], false, count(200, 1000));
}

#[test]
fn nothing_is_found_if_a_close_aborts_the_task() {
    correct_manager_passes(&[], true, count(200, 1000));
}

#[test]
fn nothing_is_found_if_a_kind_is_not_offered() {
    let optional = [
        Kind::Register,
        Kind::Join,
        Kind::TakeOver,
        Kind::BeginStep,
        Kind::CompleteStep,
        Kind::Poll,
        Kind::Cancel,
        Kind::GoLive,
        Kind::Close,
        Kind::CloseKey,
        Kind::CloseAll,
        Kind::BeginDrain,
    ];
    for kind in optional {
        correct_manager_passes(&[kind], false, count(20, 100));
    }
    correct_manager_passes(&[Kind::Register, Kind::GoLive], false, count(20, 100));
}

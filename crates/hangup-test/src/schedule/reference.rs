//! The reference: a single-threaded machine that keeps everything in lists.

use std::collections::BTreeMap;

use super::manager::Manager;
use super::op::{Kind, Op, Outcome, Place};
use super::shape::Shape;
use hangup::Conflict;
use hangup::state::Event;
use hangup::{CloseReason, State};

/// A [`Manager`] that implements the documentation of [`Op`].
///
/// Every change of state goes through [`State::apply`].
#[derive(Debug, Clone)]
pub struct Reference {
    shape: Shape,
    pub(super) opened: usize,
    /// Every connection that was ever admitted.
    pub(super) connections: BTreeMap<usize, Connection>,
    pub(super) draining: Vec<bool>,
    /// The last operation, and the number of operations.
    now: Option<Op>,
    done: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Connection {
    scope: usize,
    pub(super) state: State,
    pub(super) owner: Owner,
    /// The places that it took. They are given back when it settles.
    pub(super) places: Vec<Place>,
    /// The connections that it closes when it goes live, each with the contested place.
    replaces: Vec<(usize, Place)>,
    /// The last attempt to join was refused.
    rejected: bool,
    steps: usize,
    pub(super) undone: Vec<usize>,
    pub(super) settled: bool,
    pub(super) ended: Option<Ended>,
}

/// How it was closed. This distinguishes races.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) by: Kind,
    /// The number of the operation.
    pub(super) at: usize,
    pub(super) in_step: bool,
}

/// The state as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Gone,
    Pending,
    Registering,
    InStep,
    /// The connections that have to settle first.
    TakingOver(Vec<usize>),
    Live,
}

impl Reference {
    /// Creates a manager of this shape without connections.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        Self {
            shape: shape.clone(),
            opened: 0,
            connections: BTreeMap::new(),
            draining: vec![false; shape.scopes.len()],
            now: None,
            done: 0,
        }
    }

    /// Returns `true` if the shape has this operation and it can be done now.
    #[must_use]
    pub fn can(&self, op: Op) -> bool {
        if !self.shape.has(op) {
            return false;
        }
        let known = op.connection().and_then(|who| self.connections.get(&who));
        let owner = known.map(|connection| &connection.owner);
        match op {
            Op::Open(who, _) => who == self.opened && self.owners().len() < self.shape.connections,
            Op::Register(_) => owner == Some(&Owner::Pending),
            Op::Join(_, at) | Op::TakeOver(_, at) => {
                let several = self.shape.several_keys;
                let clashes = |held: &Place| held.registry == at.registry && !several;
                let free =
                    |c: &Connection| !c.places.iter().any(|held| *held == at || clashes(held));
                owner == Some(&Owner::Registering) && known.is_some_and(|c| c.settled || free(c))
            }
            Op::BeginStep(_) | Op::GoLive(_) => owner == Some(&Owner::Registering),
            Op::CompleteStep(_) => owner == Some(&Owner::InStep),
            Op::Poll(_) | Op::Cancel(_) => {
                matches!(owner, Some(Owner::InStep | Owner::TakingOver(_)))
            }
            Op::Drop(_) => owner.is_some_and(|owner| *owner != Owner::Gone),
            Op::Close(..) => known.is_some(),
            Op::CloseKey(..) | Op::CloseAll(..) => true,
            Op::BeginDrain(scope) => !self.draining[scope],
        }
    }

    /// Returns `true` if `connection` is closed and everything is undone for it. `None`
    /// if it was not admitted.
    #[must_use]
    pub fn has_settled(&self, connection: usize) -> Option<bool> {
        Some(self.connections.get(&connection)?.settled)
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns `true` if the last operation closed it.
    pub(super) fn is_now(&self, ended: Ended) -> bool {
        ended.at == self.done
    }

    /// Returns the connections that have an owner.
    pub(super) fn owners(&self) -> Vec<usize> {
        self.those(|connection| connection.owner != Owner::Gone)
    }

    fn open(&mut self, who: usize, scope: usize) -> Outcome {
        self.opened += 1;
        let full = self.shape.scopes[scope].is_some_and(|cap| self.unsettled(scope) >= cap);
        if self.draining[scope] || full {
            return Outcome::Refused;
        }
        self.connections.insert(who, Connection::new(scope));
        match self.shape.offers(Kind::Register) {
            true => Outcome::Done,
            false => self.register(who),
        }
    }

    fn register(&mut self, who: usize) -> Outcome {
        self.advance(who, Event::Register, Owner::Registering)
    }

    fn go_live(&mut self, who: usize) -> Outcome {
        let outcome = self.advance(who, Event::GoLive, Owner::Live);
        if outcome == Outcome::Done {
            self.at(who).rejected = false;
            let replaced = std::mem::take(&mut self.at(who).replaces);
            let replaced = replaced.into_iter().map(|(held, _)| held);
            self.close_each(replaced.collect(), CloseReason::Superseded);
        }
        outcome
    }

    /// Moves to the next state. A closed connection loses its owner.
    fn advance(&mut self, who: usize, event: Event, owner: Owner) -> Outcome {
        let connection = self.at(who);
        let (next, outcome) = match connection.state.apply(event) {
            Ok(next) => (next, Outcome::Done),
            Err(_) => (connection.state, Outcome::Closed),
        };
        connection.state = next;
        match outcome {
            Outcome::Done => connection.owner = owner,
            _ => {
                connection.owner = Owner::Gone;
                connection.unwind();
            }
        }
        outcome
    }

    fn join(&mut self, who: usize, at: Place) -> Outcome {
        if self.at(who).state.is_closed() {
            return Outcome::Closed;
        }
        let held = self.holders(at);
        self.at(who).rejected = match self.shape.registries[at.registry] {
            Conflict::Reject => !held.is_empty(),
            Conflict::Share { max_per_key } => held.len() >= max_per_key.get(),
            _ => false,
        };
        if self.at(who).rejected {
            return Outcome::Refused;
        }
        match self.shape.registries[at.registry] {
            Conflict::Replace => {
                let replaced = held.into_iter().map(|held| (held, at));
                self.at(who).replaces.extend(replaced);
            }
            Conflict::Reject | Conflict::Share { .. } => {}
            policy => unreachable!("no rule for the policy {policy:?}"),
        }
        self.at(who).places.push(at);
        self.joined(who)
    }

    /// The place is taken. Without `GoLive` in the shape, the connection goes live.
    fn joined(&mut self, who: usize) -> Outcome {
        match self.shape.offers(Kind::GoLive) {
            true => Outcome::Done,
            false => self.go_live(who),
        }
    }

    fn take_over(&mut self, who: usize, at: Place) -> Outcome {
        if self.at(who).state.is_closed() {
            return Outcome::Closed;
        }
        let held = self.holders(at);
        self.at(who).rejected = false;
        self.at(who).places.push(at);
        self.close_each(held.clone(), CloseReason::Superseded);
        self.at(who).owner = Owner::TakingOver(held);
        self.poll(who)
    }

    fn begin_step(&mut self, who: usize) -> Outcome {
        let connection = self.at(who);
        if connection.state.is_closed() {
            return Outcome::Closed;
        }
        connection.steps += 1;
        connection.owner = Owner::InStep;
        Outcome::Waits
    }

    fn end_step(&mut self, who: usize) -> Outcome {
        let connection = self.at(who);
        connection.owner = Owner::Registering;
        if connection.state.is_closed() {
            self.unwind_unless_owned(who);
            return Outcome::Closed;
        }
        Outcome::Done
    }

    fn poll(&mut self, who: usize) -> Outcome {
        let connection = &self.connections[&who];
        let is_closed = connection.state.is_closed();
        match &connection.owner {
            // A take-over ends as a step does, and has nothing to undo.
            Owner::InStep | Owner::TakingOver(_) if is_closed => self.end_step(who),
            Owner::TakingOver(held) if held.iter().all(|who| self.connections[who].settled) => {
                self.at(who).owner = Owner::Registering;
                self.joined(who)
            }
            _ => Outcome::Waits,
        }
    }

    fn cancel(&mut self, who: usize) -> Outcome {
        let connection = self.at(who);
        let taking_over = connection.owner != Owner::InStep;
        connection.owner = Owner::Registering;
        if connection.state.is_closed() {
            self.unwind_unless_owned(who);
        } else if taking_over {
            let given_back = connection.places.pop().map(|at| (who, at));
            for other in self.connections.values_mut() {
                other.replaces.retain(|held| Some(*held) != given_back);
            }
        }
        Outcome::Done
    }

    fn drop_owner(&mut self, who: usize) -> Outcome {
        // This precedes the end of the step, so that `ended` records the step.
        let rejected = self.shape.owner_undoes && self.at(who).rejected;
        self.close(
            who,
            match rejected {
                true => CloseReason::Rejected,
                false => CloseReason::Dropped,
            },
        );
        let connection = self.at(who);
        connection.owner = Owner::Gone;
        connection.unwind();
        Outcome::Done
    }

    /// Returns `true` if this call closed it.
    fn close(&mut self, who: usize, why: CloseReason) -> bool {
        let (now, done, ends_steps) = (self.now, self.done, self.shape.close_ends_steps);
        let connection = self.at(who);
        let Ok(closed) = connection.state.apply(Event::Close(why)) else {
            return false;
        };
        connection.state = closed;
        let in_step = connection.owner == Owner::InStep;
        connection.ended = now.map(|by| Ended {
            by: by.kind(),
            at: done,
            in_step,
        });
        if !in_step || ends_steps {
            self.unwind_unless_owned(who);
        }
        true
    }

    /// Undoes a closed connection, unless its owner is to do so when it is dropped.
    fn unwind_unless_owned(&mut self, who: usize) {
        let owner_undoes = self.shape.owner_undoes;
        let connection = self.at(who);
        let sets_up = matches!(
            connection.owner,
            Owner::Registering | Owner::InStep | Owner::TakingOver(_)
        );
        if !(owner_undoes && sets_up) {
            connection.unwind();
        }
    }

    fn close_each(&mut self, all: Vec<usize>, why: CloseReason) -> Outcome {
        let closed = all.into_iter().filter(|who| self.close(*who, why));
        Outcome::Count(closed.count())
    }

    fn holders(&self, at: Place) -> Vec<usize> {
        self.those(|connection| connection.holds(at))
    }

    fn unsettled(&self, scope: usize) -> usize {
        let counts = |connection: &Connection| connection.scope == scope && !connection.settled;
        self.those(counts).len()
    }

    /// Returns the matching connections in the order of opening.
    fn those(&self, are: impl Fn(&Connection) -> bool) -> Vec<usize> {
        let all = self.connections.iter().filter(|(_, c)| are(c));
        all.map(|(who, _)| *who).collect()
    }

    fn at(&mut self, who: usize) -> &mut Connection {
        self.connections.get_mut(&who).expect("it was admitted")
    }
}

impl Manager for Reference {
    /// # Panics
    ///
    /// Panics if the operation [cannot be done](Reference::can).
    fn apply(&mut self, op: Op) -> Outcome {
        assert!(self.can(op), "{op}: that cannot be done now");
        self.now = Some(op);
        self.done += 1;
        match op {
            Op::Open(who, scope) => self.open(who, scope),
            Op::Register(who) => self.register(who),
            Op::Join(who, at) => self.join(who, at),
            Op::TakeOver(who, at) => self.take_over(who, at),
            Op::BeginStep(who) => self.begin_step(who),
            Op::CompleteStep(who) => self.end_step(who),
            Op::Poll(who) => self.poll(who),
            Op::Cancel(who) => self.cancel(who),
            Op::GoLive(who) => self.go_live(who),
            Op::Close(who, why) if self.close(who, why) => Outcome::Done,
            Op::Close(..) => Outcome::Closed,
            Op::Drop(who) => self.drop_owner(who),
            Op::CloseKey(at, why) => self.close_each(self.holders(at), why),
            Op::CloseAll(scope, why) => {
                let all = self.those(|connection| connection.scope == scope);
                self.close_each(all, why)
            }
            Op::BeginDrain(scope) => {
                self.draining[scope] = true;
                Outcome::Done
            }
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        self.those(|connection| connection.holds(at) && connection.state.is_live())
    }

    fn count(&self, scope: usize) -> Option<i64> {
        i64::try_from(self.unsettled(scope)).ok()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        Some(self.connections.get(&connection)?.undone.clone())
    }

    fn state(&self, connection: usize) -> Option<State> {
        Some(self.connections.get(&connection)?.state)
    }
}

impl Connection {
    fn new(scope: usize) -> Self {
        Self {
            scope,
            state: State::Pending,
            owner: Owner::Pending,
            places: Vec::new(),
            replaces: Vec::new(),
            rejected: false,
            steps: 0,
            undone: Vec::new(),
            settled: false,
            ended: None,
        }
    }

    fn holds(&self, at: Place) -> bool {
        !self.settled && self.places.contains(&at)
    }

    /// Undoes all steps, newest first.
    fn unwind(&mut self) {
        if !self.settled {
            self.undone = (0..self.steps).rev().collect();
            self.settled = true;
        }
    }
}

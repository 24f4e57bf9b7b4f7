//! What the documentation promises, in the plainest form: one thread, no word, no
//! shards, everything looked up in lists.

mod connection;
mod last_close;
mod places;
mod seen;

use hangup::{CloseReason, Closed, JoinError, Refused, State};

use crate::op::{Deadline, Key, MAX_PER_KEY, Op, POLICIES, Policy, SLOTS, Step, Undo};
use crate::seen::Outcome;
use crate::waiting::Word;

use connection::Connection;
use places::{Place, Places};

/// A connection's number: its place in the order of opening.
type Number = usize;

pub(crate) struct Reference {
    max_connections: Option<usize>,
    is_draining: bool,
    connections: Vec<Connection>,
    registries: Vec<Places>,
    slots: [Slot; SLOTS],
    joined: u32,
    /// How many operations there were.
    now: usize,
}

#[derive(Default)]
struct Slot {
    owner: Owner,
    /// Whose owner is or was here last.
    connection: Option<Number>,
}

#[derive(Clone, Default)]
enum Owner {
    #[default]
    Gone,
    Pending,
    Registering,
    Step(Step),
    TakeOver(TakeOver),
    Live,
}

#[derive(Clone)]
struct TakeOver {
    policy: Policy,
    place: Place,
    predecessors: Vec<Number>,
    deadline: Deadline,
}

impl Reference {
    pub(crate) fn new(max_connections: Option<usize>) -> Self {
        Self {
            max_connections,
            is_draining: false,
            connections: Vec::new(),
            registries: POLICIES.map(|_| Places::new()).into(),
            slots: Default::default(),
            joined: 0,
            now: 0,
        }
    }

    pub(crate) fn apply(&mut self, op: Op) -> Outcome {
        self.now += 1;
        match op {
            Op::Open(slot) => self.open(slot),
            Op::Register(slot) => self.register(slot),
            Op::OnClose(slot, undo) => self.on_close(slot, undo),
            Op::Join(slot, policy, key) => self.join(slot, policy, key),
            Op::TakeOver(slot, policy, key, deadline) => {
                self.take_over(slot, policy, key, deadline)
            }
            Op::BeginStep(slot, step) => self.begin_step(slot, step),
            Op::Poll(slot) => self.poll(slot, Word::GoOn),
            Op::CompleteStep(slot) => self.poll(slot, Word::Complete),
            Op::PassDeadline(slot) => self.poll(slot, Word::PassDeadline),
            Op::Cancel(slot) => self.poll(slot, Word::Cancel),
            Op::GoLive(slot) => self.go_live(slot),
            Op::CloseByHandle(slot, reason) => match self.slots[slot].connection {
                None => Outcome::PassedOver,
                Some(number) => done(self.close(number, reason)),
            },
            Op::CloseByOwner(slot, reason) => self.close_by_owner(slot, reason),
            Op::DropOwner(slot) => self.drop_owner(slot),
            Op::CloseKey(policy, key, reason) => {
                self.close_places(policy, |place| place.key == key, reason)
            }
            Op::CloseWhere(policy, condition, reason) => {
                let holds = |place: &Place| condition.holds(place.key, place.value);
                self.close_places(policy, holds, reason)
            }
            Op::CloseAll(reason) => self.close_each(0..self.connections.len(), reason),
            Op::BeginDrain => {
                self.is_draining = true;
                Outcome::Done
            }
        }
    }

    fn open(&mut self, slot: usize) -> Outcome {
        if !matches!(self.slots[slot].owner, Owner::Gone) {
            return Outcome::PassedOver;
        }
        let unsettled = self.connections.iter().filter(|c| !c.has_settled()).count();
        if self.is_draining {
            return Outcome::Refused(Refused::Draining);
        }
        if self.max_connections.is_some_and(|max| unsettled >= max) {
            return Outcome::Refused(Refused::Full);
        }
        self.slots[slot].connection = Some(self.connections.len());
        self.slots[slot].owner = Owner::Pending;
        self.connections.push(Connection::new());
        Outcome::Done
    }

    fn register(&mut self, slot: usize) -> Outcome {
        let (Owner::Pending, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        self.advance(slot, number, State::Registering, Owner::Registering)
    }

    fn go_live(&mut self, slot: usize) -> Outcome {
        let (Owner::Registering, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        let outcome = self.advance(slot, number, State::Live, Owner::Live);
        if outcome == Outcome::Done {
            // Those whom it replaces close, if they still hold what they held then.
            for (policy, replaced) in std::mem::take(&mut self.connections[number].replaces) {
                if self.registries[policy as usize].holds(&replaced) {
                    let _: Result<_, Closed> =
                        self.close(replaced.connection, CloseReason::Superseded);
                }
            }
        }
        outcome
    }

    /// To the next typed state; a closed connection has no owner from then on.
    fn advance(&mut self, slot: usize, number: Number, state: State, owner: Owner) -> Outcome {
        match self.connections[number].closed() {
            None => {
                self.connections[number].state = state;
                self.slots[slot].owner = owner;
                Outcome::Done
            }
            Some(closed) => {
                self.slots[slot].owner = Owner::Gone;
                Outcome::Closed(closed)
            }
        }
    }

    fn on_close(&mut self, slot: usize, undo: Undo) -> Outcome {
        let (Owner::Registering, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        self.connections[number].on_close(undo);
        Outcome::Done
    }

    fn join(&mut self, slot: usize, policy: Policy, key: Key) -> Outcome {
        let (Owner::Registering, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        let (place, held) = match self.ask_for(number, policy, key) {
            Ok(asked) => asked,
            Err(error) => return Outcome::NotJoined(error),
        };
        let open = held.iter().filter(|held| self.is_open(held.connection));
        match (policy, open.count()) {
            (Policy::Reject, 1..) => return Outcome::NotJoined(JoinError::KeyTaken),
            (Policy::Share, MAX_PER_KEY..) => return Outcome::NotJoined(JoinError::KeyFull),
            (Policy::Replace, _) => {
                let replaced = held.into_iter().map(|held| (policy, held));
                self.connections[number].replaces.extend(replaced);
            }
            (Policy::Reject, 0) | (Policy::Share, _) => {}
        }
        self.registries[policy as usize].take(place);
        Outcome::Done
    }

    fn take_over(&mut self, slot: usize, policy: Policy, key: Key, deadline: Deadline) -> Outcome {
        let (Owner::Registering, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        let (place, held) = match self.ask_for(number, policy, key) {
            Ok(asked) => asked,
            Err(error) => return Outcome::NotJoined(error),
        };
        self.registries[policy as usize].take(place);
        let predecessors: Vec<_> = held.iter().map(|held| held.connection).collect();
        self.close_each(predecessors.iter().copied(), CloseReason::Superseded);
        self.slots[slot].owner = Owner::TakeOver(TakeOver {
            policy,
            place,
            predecessors,
            deadline,
        });
        self.poll(slot, Word::GoOn)
    }

    /// A place that is not taken yet, and those under the key that are.
    fn ask_for(
        &mut self,
        number: Number,
        policy: Policy,
        key: Key,
    ) -> Result<(Place, Vec<Place>), JoinError> {
        self.joined += 1;
        let place = Place {
            value: self.joined,
            key,
            connection: number,
        };
        if let Some(closed) = self.connections[number].closed() {
            return Err(JoinError::Closed(closed));
        }
        let held: Vec<_> = self.registries[policy as usize].under(key).collect();
        if held.iter().any(|held| held.connection == number) {
            return Err(JoinError::AlreadyJoined);
        }
        Ok((place, held))
    }

    fn begin_step(&mut self, slot: usize, step: Step) -> Outcome {
        let (Owner::Registering, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        let connection = &mut self.connections[number];
        if let Some(closed) = connection.closed() {
            return Outcome::Closed(closed);
        }
        connection.in_step = true;
        self.slots[slot].owner = Owner::Step(step);
        Outcome::Waits
    }

    /// Polls what the owner in the slot waits for, and tells it something.
    fn poll(&mut self, slot: usize, word: Word) -> Outcome {
        let (owner, Some(number)) = self.owner(slot) else {
            return Outcome::PassedOver;
        };
        let outcome = match owner {
            Owner::Step(step) => self.poll_step(number, step, word),
            Owner::TakeOver(taking) => self.poll_take_over(number, &taking, word),
            Owner::Gone | Owner::Pending | Owner::Registering | Owner::Live => {
                return Outcome::PassedOver;
            }
        };
        if outcome != Outcome::Waits {
            self.slots[slot].owner = Owner::Registering;
        }
        outcome
    }

    fn poll_step(&mut self, number: Number, step: Step, word: Word) -> Outcome {
        let closed = self.connections[number].closed();
        let outcome = match (closed, step, word) {
            (_, _, Word::Cancel) => Outcome::Cancelled,
            (None, _, Word::Complete) => Outcome::Done,
            (Some(closed), Step::Run, _) | (Some(closed), Step::Finish, Word::Complete) => {
                Outcome::Closed(closed)
            }
            (None, _, _) | (Some(_), Step::Finish, _) => return Outcome::Waits,
        };
        self.end_step(number);
        outcome
    }

    fn poll_take_over(&mut self, number: Number, taking: &TakeOver, word: Word) -> Outcome {
        let settled = |number: &Number| self.connections[*number].has_settled();
        let passed = taking.deadline == Deadline::Passed
            || (taking.deadline == Deadline::Later && word == Word::PassDeadline);
        let outcome = match self.connections[number].closed() {
            _ if word == Word::Cancel => Outcome::Cancelled,
            Some(closed) => Outcome::NotJoined(JoinError::Closed(closed)),
            None if taking.predecessors.iter().all(settled) => return Outcome::Done,
            None if passed => Outcome::NotJoined(JoinError::Unsettled),
            None => return Outcome::Waits,
        };
        self.registries[taking.policy as usize].give_back(&taking.place);
        outcome
    }

    fn close_by_owner(&mut self, slot: usize, reason: CloseReason) -> Outcome {
        let (Owner::Pending | Owner::Registering | Owner::Live, Some(number)) = self.owner(slot)
        else {
            return Outcome::PassedOver;
        };
        self.slots[slot].owner = Owner::Gone;
        done(self.close(number, reason))
    }

    fn drop_owner(&mut self, slot: usize) -> Outcome {
        if let Owner::Gone = self.slots[slot].owner {
            return Outcome::PassedOver;
        }
        // What it waits in goes first.
        self.poll(slot, Word::Cancel);
        self.close_by_owner(slot, CloseReason::Dropped);
        Outcome::Done
    }

    fn close_places(
        &mut self,
        policy: Policy,
        condition: impl Fn(&Place) -> bool,
        reason: CloseReason,
    ) -> Outcome {
        let places = self.registries[policy as usize].iter();
        let holders: Vec<_> = places
            .filter(|place| condition(place))
            .map(|place| place.connection)
            .collect();
        self.close_each(holders, reason)
    }

    fn close_each(
        &mut self,
        numbers: impl IntoIterator<Item = Number>,
        reason: CloseReason,
    ) -> Outcome {
        let closed = numbers
            .into_iter()
            .filter(|number| self.close(*number, reason).is_ok());
        Outcome::Count(closed.count())
    }

    fn close(&mut self, number: Number, reason: CloseReason) -> Result<(), Closed> {
        self.connections[number].close(reason)?;
        if !self.connections[number].in_step {
            self.unwind(number);
        }
        Ok(())
    }

    fn end_step(&mut self, number: Number) {
        self.connections[number].in_step = false;
        if self.connections[number].closed().is_some() {
            self.unwind(number);
        }
    }

    fn unwind(&mut self, number: Number) {
        self.connections[number].unwind();
        for registry in &mut self.registries {
            registry.holder_settled(number);
        }
        self.connections[number].settled_at = Some(self.now);
    }

    /// Whether the owner in the slot waits, and would not if it were polled: so its task
    /// must have been woken.
    pub(crate) fn must_be_woken(&self, slot: usize) -> bool {
        let (owner, Some(number)) = self.owner(slot) else {
            return false;
        };
        let is_closed = !self.is_open(number);
        match owner {
            Owner::Step(step) => is_closed && step == Step::Run,
            Owner::TakeOver(taking) => {
                let mut waits_for = taking.predecessors.iter();
                is_closed || waits_for.all(|number| self.connections[*number].has_settled())
            }
            Owner::Gone | Owner::Pending | Owner::Registering | Owner::Live => false,
        }
    }

    /// Whether somebody can do it: who is in the slot that it names, or whom it names
    /// from now on.
    pub(crate) fn find_one_who_can(&self, op: &mut Op) -> bool {
        let Some(first) = op.slot_mut().map(|slot| *slot) else {
            return true;
        };
        (first..SLOTS).chain(0..first).any(|slot| {
            *op.slot_mut().expect("it has one") = slot;
            self.can(slot, *op)
        })
    }

    fn can(&self, slot: usize, op: Op) -> bool {
        let slot = &self.slots[slot];
        match op {
            Op::Open(_) => matches!(slot.owner, Owner::Gone),
            Op::Register(_) => matches!(slot.owner, Owner::Pending),
            Op::OnClose(..)
            | Op::Join(..)
            | Op::TakeOver(..)
            | Op::BeginStep(..)
            | Op::GoLive(_) => matches!(slot.owner, Owner::Registering),
            Op::CompleteStep(_) => matches!(slot.owner, Owner::Step(_)),
            Op::PassDeadline(_) => matches!(slot.owner, Owner::TakeOver(_)),
            Op::Poll(_) | Op::Cancel(_) => {
                matches!(slot.owner, Owner::Step(_) | Owner::TakeOver(_))
            }
            Op::CloseByOwner(..) => matches!(
                slot.owner,
                Owner::Pending | Owner::Registering | Owner::Live
            ),
            Op::DropOwner(_) => !matches!(slot.owner, Owner::Gone),
            Op::CloseByHandle(..) => slot.connection.is_some(),
            Op::CloseKey(..) | Op::CloseWhere(..) | Op::CloseAll(_) | Op::BeginDrain => true,
        }
    }

    fn owner(&self, slot: usize) -> (Owner, Option<Number>) {
        let slot = &self.slots[slot];
        (slot.owner.clone(), slot.connection)
    }

    fn is_open(&self, number: Number) -> bool {
        self.connections[number].closed().is_none()
    }
}

fn done(result: Result<(), Closed>) -> Outcome {
    result.map_or_else(Outcome::Closed, |()| Outcome::Done)
}

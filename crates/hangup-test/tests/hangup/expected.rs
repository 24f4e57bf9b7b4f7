//! The expected behavior. The reference of `hangup_test::schedule` decides about states,
//! admissions, places and steps. This layer adds what only `hangup` has: other undos, the
//! numbers of the values, hooks, the totals of a scope.

mod last_close;

use std::collections::{BTreeMap, BTreeSet};

use hangup::{CloseReason, KeyError, State};
use hangup_test::schedule::{Manager, Op, Outcome, Place, Reference};

use crate::action::{Action, Deadline, Returned, Undo};
use crate::layout::Layout;
use crate::seen::{Hook, Seen, SeenConnection, SeenKey, SeenRegistry, SeenScope, Settlement};

pub(crate) struct Expected {
    layout: Layout,
    reference: Reference,
    connections: BTreeMap<usize, Connection>,
    draining: BTreeSet<usize>,
    /// The places that are held now, in the order of joining.
    claims: Vec<Claim>,
    /// The places that closed connections have given back, by which connection and when.
    ended: Vec<(Place, usize, usize)>,
    hooks: BTreeMap<Place, Vec<Hook>>,
    /// How many values were created.
    values: u32,
    /// How many actions were done.
    now: usize,
}

struct Connection {
    scope: usize,
    undos: Vec<Undo>,
    undos_run: Vec<usize>,
    settled_at: Option<usize>,
    waits_in: Option<Waits>,
    /// Its last attempt to get a place was a take-over that ran into its deadline.
    timed_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Step,
    TakeOver(Deadline),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    at: Place,
    who: usize,
    value: u32,
}

impl Expected {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            // The schedule limits the number of connections.
            reference: Reference::new(&layout.shape().connections(usize::MAX)),
            connections: BTreeMap::new(),
            draining: BTreeSet::new(),
            claims: Vec::new(),
            ended: Vec::new(),
            hooks: BTreeMap::new(),
            values: 0,
            now: 0,
        }
    }

    /// Returns `true` if the action can be done now.
    pub(crate) fn can(&self, action: Action) -> bool {
        let sets_up = |who| self.reference.can(Op::BeginStep(who));
        match action {
            Action::Plain(op) => self.reference.can(op),
            Action::BeginStep(who, _) | Action::OnClose(who, _) => sets_up(who),
            Action::TakeOver(who, at, _) => self.reference.can(Op::TakeOver(who, at)),
            Action::PassDeadline(who) => {
                let waits_in = self.connections.get(&who).map(|it| it.waits_in);
                waits_in == Some(Some(Waits::TakeOver(Deadline::Later)))
            }
            Action::CloseByOwner(who, _) => {
                self.reference.can(Op::Drop(who)) && !self.reference.can(Op::Poll(who))
            }
            Action::CloseWhere { .. } => true,
            Action::JoinAgain(who, at) | Action::TakeOverAgain(who, at) => {
                sets_up(who) && self.claims.iter().any(|it| (it.who, it.at) == (who, at))
            }
        }
    }

    /// Returns a place that the connection holds.
    pub(crate) fn place_of(&self, who: usize) -> Option<Place> {
        let claim = self.claims.iter().find(|claim| claim.who == who)?;
        Some(claim.at)
    }

    pub(crate) fn connections(&self) -> impl DoubleEndedIterator<Item = usize> + Clone {
        self.connections.keys().copied()
    }

    pub(crate) fn apply(&mut self, action: Action) -> Returned {
        self.now += 1;
        let held = self.held();
        let returned = match action {
            Action::Plain(op) => Returned::Plain(self.plain(op)),
            Action::BeginStep(who, _) => {
                let outcome = self.reference.apply(Op::BeginStep(who));
                if outcome == Outcome::Waits {
                    let connection = self.at(who);
                    connection.undos.push(Undo::Step);
                    connection.waits_in = Some(Waits::Step);
                }
                Returned::Plain(outcome)
            }
            Action::TakeOver(who, at, deadline) => self.take_over(who, at, deadline),
            Action::PassDeadline(who) => {
                let outcome = self.plain(Op::Poll(who));
                self.unless_unsettled(who, outcome)
            }
            Action::OnClose(who, undo) => {
                self.at(who).undos.push(undo);
                Returned::Plain(Outcome::Done)
            }
            Action::CloseByOwner(who, reason) => {
                let outcome = self.reference.apply(Op::Close(who, reason));
                self.reference.apply(Op::Drop(who));
                Returned::Plain(outcome)
            }
            Action::CloseWhere {
                registry,
                condition,
                reason,
            } => {
                let mut claims = self.claims.clone();
                claims.retain(|claim| {
                    claim.at.registry == registry && condition.holds(claim.at.key, claim.value)
                });
                Returned::Plain(self.close_each(&claims, reason))
            }
            Action::JoinAgain(who, _) | Action::TakeOverAgain(who, _) if self.is_closed(who) => {
                self.values += 1;
                Returned::Plain(Outcome::Closed)
            }
            Action::JoinAgain(..) | Action::TakeOverAgain(..) => {
                self.values += 1;
                Returned::Failed(KeyError::AlreadyJoined)
            }
        };
        self.settle();
        self.note_hooks(&held);
        returned
    }

    fn plain(&mut self, op: Op) -> Outcome {
        // A dropped take-over gives its place back before the connection closes.
        if let Op::Drop(who) | Op::Cancel(who) = op {
            self.end_waiting(who);
        }
        if let Op::Join(who, _) | Op::GoLive(who) = op {
            self.at(who).timed_out &= self.is_closed(who);
        }
        if let Op::Drop(who) = op {
            if self.at(who).timed_out {
                self.reference.apply(Op::Close(who, CloseReason::Rejected));
            }
        }
        let outcome = self.reference.apply(op);
        match (op, outcome) {
            (Op::Open(who, scope), Outcome::Done) => {
                self.connections.insert(who, Connection::new(scope));
            }
            (Op::Join(who, at), outcome) => self.claim(who, at, outcome == Outcome::Done),
            (Op::Poll(_), Outcome::Waits) => {}
            (Op::Poll(who), Outcome::Closed) => self.end_waiting(who),
            (Op::Poll(who) | Op::CompleteStep(who), _) => self.at(who).waits_in = None,
            (Op::BeginDrain(scope), _) => {
                self.draining.insert(scope);
            }
            _ => {}
        }
        outcome
    }

    /// Ends the wait. An open connection gives back the place that it takes over, a closed one
    /// keeps it until it has settled.
    fn end_waiting(&mut self, who: usize) {
        let waits_in = self.at(who).waits_in.take();
        if matches!(waits_in, Some(Waits::TakeOver(_))) && !self.is_closed(who) {
            let last = self.claims.iter().rposition(|claim| claim.who == who);
            self.claims.remove(last.expect("it takes a place over"));
        }
    }

    fn take_over(&mut self, who: usize, at: Place, deadline: Deadline) -> Returned {
        self.at(who).timed_out &= self.is_closed(who);
        let outcome = self.reference.apply(Op::TakeOver(who, at));
        self.claim(who, at, outcome != Outcome::Closed);
        if outcome == Outcome::Waits {
            self.at(who).waits_in = Some(Waits::TakeOver(deadline));
        }
        match deadline {
            Deadline::Passed => self.unless_unsettled(who, outcome),
            Deadline::None | Deadline::Later => Returned::Plain(outcome),
        }
    }

    /// A take-over whose deadline has passed fails instead of waiting.
    fn unless_unsettled(&mut self, who: usize, outcome: Outcome) -> Returned {
        if outcome != Outcome::Waits {
            return Returned::Plain(outcome);
        }
        self.plain(Op::Cancel(who));
        self.at(who).timed_out = true;
        Returned::Failed(KeyError::TimedOut)
    }

    fn claim(&mut self, who: usize, at: Place, is_taken: bool) {
        self.values += 1;
        let value = self.values;
        self.claims
            .extend(is_taken.then_some(Claim { at, who, value }));
    }

    fn close_each(&mut self, claims: &[Claim], reason: CloseReason) -> Outcome {
        let closed = claims.iter().filter(|claim| {
            let close = Op::Close(claim.who, reason);
            self.reference.apply(close) == Outcome::Done
        });
        Outcome::Count(closed.count())
    }

    /// Runs the undos of the connections that this action has settled.
    fn settle(&mut self) {
        for (who, connection) in &mut self.connections {
            let has_settled = self.reference.has_settled(*who) == Some(true);
            if has_settled && connection.settled_at.is_none() {
                connection.settled_at = Some(self.now);
                connection.undos_run = (0..connection.undos.len()).rev().collect();
                let held = self.claims.iter().filter(|claim| claim.who == *who);
                self.ended
                    .extend(held.map(|claim| (claim.at, *who, self.now)));
                self.claims.retain(|claim| claim.who != *who);
            }
        }
    }

    fn held(&self) -> BTreeSet<Place> {
        self.claims.iter().map(|claim| claim.at).collect()
    }

    fn note_hooks(&mut self, before: &BTreeSet<Place>) {
        let after = self.held();
        let first = after.difference(before).map(|at| (*at, Hook::First));
        let last = before.difference(&after).map(|at| (*at, Hook::Last));
        for (at, hook) in first.chain(last) {
            self.hooks.entry(at).or_default().push(hook);
        }
    }

    /// Returns `true` if the owner waits and its next poll would not: its task must be
    /// woken.
    pub(crate) fn must_be_woken(&self, who: usize) -> bool {
        let poll = Op::Poll(who);
        self.reference.can(poll) && self.reference.clone().apply(poll) != Outcome::Waits
    }

    pub(crate) fn seen(&self) -> Seen {
        let shape = &self.layout;
        let connections = self.connections.iter();
        let registries = 0..shape.policies.len();
        let scopes = 0..shape.caps.len();
        Seen {
            connections: connections
                .map(|(who, it)| (*who, self.seen_connection(*who, it)))
                .collect(),
            scopes: scopes.map(|scope| self.seen_scope(scope)).collect(),
            registries: registries.map(|at| self.seen_registry(at)).collect(),
            keys: shape.places().map(|at| (at, self.seen_key(at))).collect(),
        }
    }

    fn seen_connection(&self, who: usize, connection: &Connection) -> SeenConnection {
        let state = self.state(who);
        let steps = connection.undos_of(Undo::Step);
        let undone = connection.undos_run.iter();
        let undone_steps = undone.filter_map(|undo| steps.iter().position(|step| step == undo));
        assert_eq!(self.reference.undone(who), Some(undone_steps.collect()));
        let settled = connection.settled_at.and_then(|_| state.closed());
        SeenConnection {
            state,
            settled: settled.map(|closed| Settlement {
                closed,
                undos_run: connection.undos_run.len(),
                panics: connection.panics(),
            }),
            undos_run: connection.undos_run.clone(),
        }
    }

    fn seen_scope(&self, scope: usize) -> SeenScope {
        let mut seen = SeenScope {
            is_draining: self.draining.contains(&scope),
            ..SeenScope::default()
        };
        let connections = self.connections.iter();
        for (who, connection) in connections.filter(|(_, it)| it.scope == scope) {
            match (self.state(*who), connection.settled_at) {
                (State::Pending, _) => seen.pending += 1,
                (State::Registering, _) => seen.registering += 1,
                (State::Live, _) => seen.live += 1,
                (State::Closed(_), None) => seen.settling += 1,
                (State::Closed(closed), Some(_)) => *seen.closed.entry(closed).or_default() += 1,
            }
            seen.undos_run += connection.undos_run.len() as u64;
            seen.panicked += connection.panics() as u64;
            seen.handles
                .extend(connection.settled_at.is_none().then_some(*who));
        }
        seen.is_settled = seen.is_draining && seen.handles.is_empty();
        let count = i64::try_from(seen.handles.len()).unwrap();
        assert_eq!(self.reference.count(scope), Some(count));
        seen
    }

    fn seen_registry(&self, registry: usize) -> SeenRegistry {
        let visible = self.visible().filter(|claim| claim.at.registry == registry);
        let mut iter: Vec<_> = visible.map(|claim| (claim.at.key, claim.value)).collect();
        iter.sort_unstable();
        let mut keys: Vec<_> = iter.iter().map(|(key, _)| *key).collect();
        keys.dedup();
        SeenRegistry {
            len: iter.len(),
            is_empty: iter.is_empty(),
            keys,
            iter,
        }
    }

    fn seen_key(&self, at: Place) -> SeenKey {
        let visible = self.visible().filter(|claim| claim.at == at);
        let members: Vec<_> = visible.map(|claim| claim.value).collect();
        assert_eq!(members.len(), self.reference.visible(at).len());
        SeenKey {
            get: members.last().copied(),
            contains: !members.is_empty(),
            count: members.len(),
            members,
            hooks: self.hooks.get(&at).cloned().unwrap_or_default(),
        }
    }

    fn visible(&self) -> impl Iterator<Item = &Claim> {
        let claims = self.claims.iter();
        claims.filter(|claim| self.reference.visible(claim.at).contains(&claim.who))
    }

    fn is_closed(&self, who: usize) -> bool {
        self.state(who).is_closed()
    }

    fn state(&self, who: usize) -> State {
        self.reference.state(who).expect("it was admitted")
    }

    fn at(&mut self, who: usize) -> &mut Connection {
        self.connections.get_mut(&who).expect("it was admitted")
    }
}

impl Connection {
    fn new(scope: usize) -> Self {
        Self {
            scope,
            undos: Vec::new(),
            undos_run: Vec::new(),
            settled_at: None,
            waits_in: None,
            timed_out: false,
        }
    }

    fn undos_of(&self, wanted: Undo) -> Vec<usize> {
        let undos = self.undos.iter().enumerate();
        let undos = undos.filter(|(_, undo)| **undo == wanted);
        undos.map(|(number, _)| number).collect()
    }

    fn panics(&self) -> usize {
        let panicking = self.undos_of(Undo::Panicking);
        let undone = self.undos_run.iter();
        undone.filter(|undo| panicking.contains(undo)).count()
    }
}

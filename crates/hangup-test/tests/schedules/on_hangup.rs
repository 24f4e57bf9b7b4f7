//! A manager that is `hangup` itself: the typed states, the cell, the scope and the
//! registry do what the machine does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use hangup::{
    CloseReason, Closed, Conflict, Handle, JoinError, Live, Pending, Refused, Registering,
    Registry, Scope, State,
};
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};
use tokio_test::task::{self, Spawn};

use crate::runner::passes;

const CASES: u32 = 3000;

fn all_policies() -> [Conflict; 3] {
    let share = Conflict::Share { max_per_key: 2 };
    [Conflict::Replace, Conflict::Reject, share]
}

#[test]
fn hangup_does_what_the_reference_does() {
    let shape = Shape::new()
        .connections(5)
        .registries(all_policies())
        .several_keys()
        .scopes([Some(3), None])
        .length(1..=80);
    passes(&shape, CASES, || {
        OnHangup::new(&[Some(3), None], &all_policies())
    });
}

#[test]
fn hangup_does_so_where_all_meet_under_one_key() {
    for policy in all_policies() {
        let shape = Shape::new().keys(1).registries([policy]).length(1..=60);
        passes(&shape, CASES / 6, || OnHangup::new(&[None], &[policy]));
    }
}

#[test]
fn hangup_does_so_where_nothing_drains() {
    let shape = Shape::new()
        .connections(6)
        .keys(3)
        .registries(all_policies())
        .without([Kind::BeginDrain, Kind::CloseAll, Kind::CloseKey])
        .length(40..=120);
    passes(&shape, CASES / 6, || {
        OnHangup::new(&[None], &all_policies())
    });
}

struct OnHangup {
    scopes: Vec<(Option<usize>, Scope)>,
    registries: Vec<(Conflict, Registry<usize, usize>)>,
    connections: BTreeMap<usize, Connection>,
    /// Who took a place, in this order.
    joined: Vec<(Place, usize)>,
}

struct Connection {
    handle: Handle,
    owner: Owner,
    steps: usize,
    undone: Arc<Mutex<Vec<usize>>>,
}

#[derive(Default)]
enum Owner {
    #[default]
    Gone,
    Pending(Pending),
    Registering(Registering),
    Waiting(Waiting),
    Live(#[expect(dead_code, reason = "it is owned")] Live),
}

/// A set-up that waits, with the future that borrows it.
struct Waiting {
    future: Spawn<Boxed>,
    complete: Rc<Cell<bool>>,
}

type Boxed = Pin<Box<dyn Future<Output = (Registering, Outcome)>>>;

impl OnHangup {
    fn new(caps: &[Option<usize>], policies: &[Conflict]) -> Self {
        let scope = |cap: &Option<usize>| {
            let builder = Scope::builder();
            let scope = match cap {
                Some(cap) => builder.max_connections(*cap),
                None => builder,
            };
            (*cap, scope.build())
        };
        Self {
            scopes: caps.iter().map(scope).collect(),
            registries: policies.iter().map(|p| (*p, Registry::new(*p))).collect(),
            connections: BTreeMap::new(),
            joined: Vec::new(),
        }
    }

    fn open(&mut self, who: usize, scope: usize) -> Outcome {
        let (cap, scope) = &self.scopes[scope];
        match scope.open() {
            Ok(pending) => {
                let connection = Connection {
                    handle: pending.handle(),
                    owner: Owner::Pending(pending),
                    steps: 0,
                    undone: Arc::default(),
                };
                self.connections.insert(who, connection);
                Outcome::Done
            }
            Err(Refused::Draining) => {
                assert!(scope.is_draining());
                Outcome::Refused
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Full);
                assert!(!scope.is_draining());
                assert_eq!(Some(scope.handles().len()), *cap);
                Outcome::Refused
            }
        }
    }

    /// What its owner does, and what becomes of it.
    fn drive(&mut self, owner: Owner, who: usize, op: Op) -> (Owner, Outcome) {
        match (owner, op) {
            (Owner::Pending(pending), Op::Register(_)) => {
                self.moved(who, pending.register(), Owner::Registering)
            }
            (Owner::Registering(setup), Op::GoLive(_)) => {
                self.moved(who, setup.go_live(), Owner::Live)
            }
            (Owner::Registering(mut setup), Op::Join(_, at)) => {
                let (policy, registry) = &self.registries[at.registry];
                let joined = setup.join(registry, at.key, who);
                let outcome = joined_as(joined, *policy, &self.connections[&who].handle);
                if outcome == Outcome::Done {
                    self.joined.push((at, who));
                }
                (Owner::Registering(setup), outcome)
            }
            (Owner::Registering(setup), Op::TakeOver(_, at)) => {
                let (policy, registry) = self.registries[at.registry].clone();
                self.joined.push((at, who));
                let handle = self.connections[&who].handle.clone();
                poll(Waiting::take_over(
                    setup, handle, policy, registry, at.key, who,
                ))
            }
            (Owner::Registering(setup), Op::BeginStep(_)) => {
                let connection = self.connections.get_mut(&who).unwrap();
                poll(connection.begin_step(setup))
            }
            (Owner::Waiting(waiting), Op::CompleteStep(_)) => {
                waiting.complete.set(true);
                poll(waiting)
            }
            (Owner::Waiting(waiting), Op::Poll(_)) => poll(waiting),
            (owner, Op::Drop(_)) => {
                drop(owner);
                (Owner::Gone, Outcome::Done)
            }
            (owner, Op::Close(_, why)) => {
                let handle = &self.connections[&who].handle;
                let outcome = match handle.close(why) {
                    Ok(()) => Outcome::Done,
                    Err(closed) => is_closed(closed, handle),
                };
                (owner, outcome)
            }
            (_, op) => panic!("{op}: there is nobody to do it"),
        }
    }

    fn moved<T>(
        &self,
        who: usize,
        moved: Result<T, Closed>,
        owner: impl FnOnce(T) -> Owner,
    ) -> (Owner, Outcome) {
        match moved {
            Ok(next) => (owner(next), Outcome::Done),
            Err(closed) => {
                let outcome = is_closed(closed, &self.connections[&who].handle);
                (Owner::Gone, outcome)
            }
        }
    }
}

impl Connection {
    /// The undo first, as a handler does it. There is something to be undone from the
    /// first poll of the step.
    fn begin_step(&mut self, mut setup: Registering) -> Waiting {
        let (begun, number) = (Arc::new(Mutex::new(false)), self.steps);
        setup.on_close({
            let (begun, undone) = (Arc::clone(&begun), Arc::clone(&self.undone));
            move || {
                if *begun.lock().unwrap() {
                    undone.lock().unwrap().push(number);
                }
            }
        });
        if self.handle.state().closed().is_none() {
            self.steps += 1;
        }
        let handle = self.handle.clone();
        Waiting::new(|complete| async move {
            let step = poll_fn(|_| {
                *begun.lock().unwrap() = true;
                match complete.get() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            });
            let outcome = match setup.run(step).await {
                Ok(()) => Outcome::Done,
                Err(closed) => is_closed(closed, &handle),
            };
            (setup, outcome)
        })
    }
}

impl Waiting {
    fn take_over(
        mut setup: Registering,
        handle: Handle,
        policy: Conflict,
        registry: Registry<usize, usize>,
        key: usize,
        who: usize,
    ) -> Self {
        Self::new(|_| async move {
            let taken = setup.take_over(&registry, key, who).await;
            let outcome = joined_as(taken, policy, &handle);
            assert_ne!(outcome, Outcome::Refused, "whatever the policy is");
            (setup, outcome)
        })
    }

    fn new<F>(future: impl FnOnce(Rc<Cell<bool>>) -> F) -> Self
    where
        F: Future<Output = (Registering, Outcome)> + 'static,
    {
        let complete = Rc::new(Cell::new(false));
        let future: Boxed = Box::pin(future(Rc::clone(&complete)));
        Self {
            future: task::spawn(future),
            complete,
        }
    }
}

fn poll(mut waiting: Waiting) -> (Owner, Outcome) {
    match waiting.future.poll() {
        Poll::Ready((setup, outcome)) => (Owner::Registering(setup), outcome),
        Poll::Pending => (Owner::Waiting(waiting), Outcome::Waits),
    }
}

fn is_closed(closed: Closed, handle: &Handle) -> Outcome {
    assert_eq!(handle.state(), State::Closed(closed));
    Outcome::Closed
}

/// Every refusal is the one of its policy.
fn joined_as(joined: Result<(), JoinError>, policy: Conflict, handle: &Handle) -> Outcome {
    match (joined, policy) {
        (Ok(()), _) => Outcome::Done,
        (Err(JoinError::Closed(closed)), _) => is_closed(closed, handle),
        (Err(JoinError::KeyTaken), Conflict::Reject)
        | (Err(JoinError::KeyFull), Conflict::Share { .. }) => Outcome::Refused,
        (Err(error), policy) => panic!("{error} under {policy:?}"),
    }
}

impl Manager for OnHangup {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(who, scope) => self.open(who, scope),
            Op::CloseKey(at, why) => {
                Outcome::Count(self.registries[at.registry].1.close(&at.key, why))
            }
            Op::CloseAll(scope, why) => Outcome::Count(self.scopes[scope].1.close_all(why)),
            Op::BeginDrain(scope) => {
                self.scopes[scope].1.begin_drain();
                Outcome::Done
            }
            op => {
                let who = op.connection().unwrap();
                let owner = std::mem::take(&mut self.connections.get_mut(&who).unwrap().owner);
                let (owner, outcome) = self.drive(owner, who, op);
                self.connections.get_mut(&who).unwrap().owner = owner;
                outcome
            }
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let registry = &self.registries[at.registry].1;
        let members = registry.members(&at.key);
        let members: Vec<_> = members.iter().map(|member| **member).collect();
        assert_eq!(registry.count(&at.key), members.len());
        assert_eq!(registry.contains(&at.key), !members.is_empty());
        assert_eq!(registry.get(&at.key).as_deref(), members.last());
        // In the order in which they joined.
        let joined = self.joined.iter().filter(|(place, _)| *place == at);
        let joined = joined
            .map(|(_, who)| *who)
            .filter(|who| members.contains(who));
        assert_eq!(joined.collect::<Vec<_>>(), members);
        members
    }

    fn count(&self, scope: usize) -> Option<i64> {
        let scope = &self.scopes[scope].1;
        let stats = scope.stats();
        let open = stats.pending + stats.registering + stats.live + stats.settling;
        assert_eq!(scope.handles().len(), open);
        let settled = task::spawn(scope.settled()).poll().is_ready();
        assert_eq!(settled, scope.is_draining() && open == 0);
        i64::try_from(open).ok()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        Some(self.connections[&connection].undone.lock().unwrap().clone())
    }

    fn state(&self, connection: usize) -> Option<State> {
        let connection = &self.connections[&connection];
        let state = connection.handle.state();
        if let (State::Closed(closed), Owner::Waiting(waiting)) = (state, &connection.owner) {
            assert!(waiting.future.is_woken(), "sleeps on after {closed}");
        }
        if let Some(settled) = connection.handle.settlement() {
            assert_eq!(State::Closed(settled.closed), state);
            assert_eq!(settled.panics.len() + settled.unfinished.len(), 0);
        }
        assert!(
            state
                .closed()
                .is_none_or(|c| c.reason != CloseReason::Failed)
        );
        Some(state)
    }
}

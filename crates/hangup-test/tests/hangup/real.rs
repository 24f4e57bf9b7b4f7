//! `hangup` itself, driven by actions, and as a manager of schedules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use hangup::{
    CloseReason, Closed, Conflict, Handle, KeyError, Live, OpenError, Pending, Registering,
    Registry, Scope, State,
};
use hangup_test::schedule::{Manager, Op, Outcome, Place};
use tokio_test::task;

use crate::action::{Action, Deadline, Returned, Step, Undo};
use crate::layout::{Layout, REMEMBERED, Value};
use crate::seen::{Hook, Seen, SeenConnection, SeenKey, SeenRegistry, SeenScope};
use crate::waiting::{Ended, Signal, Waiting};

pub(crate) struct Real {
    layout: Layout,
    scopes: Vec<Scope>,
    registries: Vec<Table>,
    /// Every connection that was ever admitted.
    connections: BTreeMap<usize, Connection>,
    /// How many values were created.
    values: u32,
    /// Every value contains a clone.
    value: Arc<()>,
}

struct Table {
    registry: Registry<usize, Value>,
    hooks: Arc<Mutex<Vec<(usize, Hook)>>>,
}

struct Connection {
    handle: Handle,
    owner: Owner,
    /// The registry of the take-over in which it waits.
    takes_over: Option<usize>,
    undos: usize,
    /// The undos that belong to steps.
    steps: Vec<usize>,
    undos_run: Arc<Mutex<Vec<usize>>>,
}

#[derive(Default)]
enum Owner {
    #[default]
    Gone,
    Pending(Pending),
    Registering(Registering),
    Waiting(Waiting),
    Live(Live),
}

impl Real {
    pub(crate) fn new(layout: &Layout) -> Self {
        let scope = |cap: &Option<usize>| match cap {
            Some(cap) => Scope::builder().max_connections(*cap).build(),
            None => Scope::new(),
        };
        Self {
            layout: layout.clone(),
            scopes: layout.caps.iter().map(scope).collect(),
            registries: layout.policies.iter().map(|it| Table::new(*it)).collect(),
            connections: BTreeMap::new(),
            values: 0,
            value: Arc::new(()),
        }
    }

    pub(crate) fn act(&mut self, action: Action) -> Returned {
        let who = match action {
            Action::Plain(Op::Open(who, scope)) => return plain(self.open(who, scope)),
            Action::Plain(Op::CloseKey(at, why)) => {
                let registry = &self.registries[at.registry].registry;
                return plain(Outcome::Count(registry.close(&at.key, why)));
            }
            Action::Plain(Op::CloseAll(scope, why)) => {
                return plain(Outcome::Count(self.scopes[scope].close_all(why)));
            }
            Action::Plain(Op::BeginDrain(scope)) => {
                self.scopes[scope].begin_drain();
                return plain(Outcome::Done);
            }
            Action::Plain(Op::Close(who, why)) => {
                let handle = &self.connections[&who].handle;
                return plain(done(handle.close(why), handle));
            }
            Action::CloseWhere {
                registry,
                condition,
                reason,
            } => {
                let holds = |key: &usize, value: &Value| condition.holds(*key, value.0);
                let registry = &self.registries[registry].registry;
                return plain(Outcome::Count(registry.close_where(holds, reason)));
            }
            Action::Plain(op) => op.connection().expect("the others are done"),
            Action::BeginStep(who, _)
            | Action::TakeOver(who, ..)
            | Action::PassDeadline(who)
            | Action::OnClose(who, _)
            | Action::CloseByOwner(who, _)
            | Action::JoinAgain(who, _)
            | Action::TakeOverAgain(who, _) => who,
        };
        let owner = std::mem::take(&mut self.at(who).owner);
        let (owner, returned) = self.drive(owner, who, action);
        self.at(who).owner = owner;
        returned
    }

    fn open(&mut self, who: usize, number: usize) -> Outcome {
        let scope = &self.scopes[number];
        match scope.open() {
            Ok(pending) => {
                self.connections.insert(who, Connection::new(pending));
                Outcome::Done
            }
            Err(OpenError::Draining) => {
                assert!(scope.is_draining());
                Outcome::Refused
            }
            Err(refused) => {
                assert_eq!(refused, OpenError::Full);
                assert!(!scope.is_draining());
                assert_eq!(Some(scope.handles().len()), self.layout.caps[number]);
                Outcome::Refused
            }
        }
    }

    /// Returns the owner after the action, and what the action returned.
    fn drive(&mut self, owner: Owner, who: usize, action: Action) -> (Owner, Returned) {
        let handle = self.connections[&who].handle.clone();
        match (owner, action) {
            (Owner::Pending(pending), Action::Plain(Op::Register(_))) => {
                advanced(pending.register(), &handle, Owner::Registering)
            }
            (Owner::Registering(setup), Action::Plain(Op::GoLive(_))) => {
                advanced(setup.go_live(), &handle, Owner::Live)
            }
            (
                Owner::Registering(mut setup),
                Action::Plain(Op::Join(_, at)) | Action::JoinAgain(_, at),
            ) => {
                let value = self.next_value(who);
                let joined = setup.join(&self.registries[at.registry].registry, at.key, value);
                let returned = self.joined(joined, at.registry, &handle);
                (Owner::Registering(setup), returned)
            }
            (Owner::Registering(setup), Action::TakeOver(_, at, deadline)) => {
                self.take_over(setup, who, at, deadline)
            }
            (Owner::Registering(setup), Action::TakeOverAgain(_, at)) => {
                self.take_over(setup, who, at, Deadline::None)
            }
            (Owner::Registering(mut setup), Action::BeginStep(_, step)) => {
                let mut undo = None;
                if handle.state().closed().is_none() {
                    let connection = self.at(who);
                    connection.steps.push(connection.undos);
                    match step {
                        Step::OnClose => connection.on_close(&mut setup, Undo::Step),
                        Step::Undo => undo = Some(connection.next_undo()),
                    }
                }
                self.poll(Waiting::step(setup, undo), who, Signal::Nothing)
            }
            (Owner::Registering(mut setup), Action::OnClose(_, undo)) => {
                self.at(who).on_close(&mut setup, undo);
                (Owner::Registering(setup), plain(Outcome::Done))
            }
            (Owner::Waiting(waiting), Action::Plain(Op::Poll(_))) => {
                self.poll(waiting, who, Signal::Nothing)
            }
            (Owner::Waiting(waiting), Action::Plain(Op::CompleteStep(_))) => {
                self.poll(waiting, who, Signal::Complete)
            }
            (Owner::Waiting(waiting), Action::Plain(Op::Cancel(_))) => {
                self.poll(waiting, who, Signal::Cancel)
            }
            (Owner::Waiting(waiting), Action::PassDeadline(_)) => {
                self.poll(waiting, who, Signal::PassDeadline)
            }
            (owner, Action::Plain(Op::Drop(_))) => {
                drop(owner);
                (Owner::Gone, plain(Outcome::Done))
            }
            (owner, Action::CloseByOwner(_, reason)) => {
                let closed = owner.close(reason);
                (Owner::Gone, plain(done(closed, &handle)))
            }
            (_, action) => panic!("the owner cannot do {action:?}"),
        }
    }

    fn take_over(
        &mut self,
        setup: Registering,
        who: usize,
        at: Place,
        deadline: Deadline,
    ) -> (Owner, Returned) {
        let value = self.next_value(who);
        let registry = self.registries[at.registry].registry.clone();
        self.at(who).takes_over = Some(at.registry);
        let waiting = Waiting::take_over(setup, registry, at.key, value, deadline);
        self.poll(waiting, who, Signal::Nothing)
    }

    fn poll(&mut self, waiting: Waiting, who: usize, signal: Signal) -> (Owner, Returned) {
        let (setup, ended) = match waiting.poll(signal) {
            Ok(complete) => complete,
            Err(waiting) => return (Owner::Waiting(waiting), plain(Outcome::Waits)),
        };
        let takes_over = self.at(who).takes_over.take();
        let handle = &self.connections[&who].handle;
        let returned = match ended {
            Ended::Cancelled => plain(Outcome::Done),
            Ended::Step(result) => plain(done(result, handle)),
            Ended::TakeOver(result) => {
                let returned = self.joined(
                    result.map(drop),
                    takes_over.expect("in a take-over"),
                    handle,
                );
                assert_ne!(returned, plain(Outcome::Refused), "whatever the policy is");
                returned
            }
        };
        (Owner::Registering(setup), returned)
    }

    /// A refusal must match the policy of the registry.
    fn joined(&self, joined: Result<(), KeyError>, registry: usize, handle: &Handle) -> Returned {
        match (joined, self.layout.policies[registry]) {
            (Ok(()), _) => plain(Outcome::Done),
            (Err(KeyError::Closed(closed)), _) => plain(done(Err(closed), handle)),
            (Err(KeyError::Taken | KeyError::Settling), Conflict::Reject)
            | (Err(KeyError::Full | KeyError::Settling), Conflict::Share { .. }) => {
                plain(Outcome::Refused)
            }
            (Err(error @ (KeyError::AlreadyJoined | KeyError::TimedOut)), _) => {
                Returned::Failed(error)
            }
            (Err(error), policy) => panic!("{error} under {policy:?}"),
        }
    }

    fn next_value(&mut self, who: usize) -> Value {
        self.values += 1;
        (self.values, who, Arc::clone(&self.value))
    }

    fn at(&mut self, who: usize) -> &mut Connection {
        self.connections.get_mut(&who).expect("it was admitted")
    }

    pub(crate) fn last_close(&self, at: Place) -> Option<Closed> {
        self.registries[at.registry].registry.last_close(&at.key)
    }

    /// Returns `true` if the waiting owner has been woken since its last poll.
    pub(crate) fn is_woken(&self, who: usize) -> bool {
        match &self.connections[&who].owner {
            Owner::Waiting(waiting) => waiting.is_woken(),
            Owner::Gone | Owner::Pending(_) | Owner::Registering(_) | Owner::Live(_) => false,
        }
    }

    /// Returns how many values exist, in registries and in futures.
    pub(crate) fn values(&self) -> usize {
        Arc::strong_count(&self.value) - 1
    }

    pub(crate) fn seen(&self) -> Seen {
        let connections = self.connections.iter();
        let keys = self.layout.places();
        Seen {
            connections: connections.map(|(who, it)| (*who, it.seen(*who))).collect(),
            scopes: self
                .scopes
                .iter()
                .map(|scope| self.seen_scope(scope))
                .collect(),
            registries: self.registries.iter().map(Table::seen).collect(),
            keys: keys
                .map(|at| (at, self.registries[at.registry].seen_key(at.key)))
                .collect(),
        }
    }

    fn seen_scope(&self, scope: &Scope) -> SeenScope {
        let stats = scope.stats();
        let number = |handle| {
            let mut connections = self.connections.iter();
            let found = connections.find(|(_, connection)| connection.handle == handle);
            *found.expect("it was opened").0
        };
        SeenScope {
            pending: stats.pending,
            registering: stats.registering,
            live: stats.live,
            settling: stats.settling,
            closed: stats.closed,
            undos_run: stats.undos_run,
            panicked: stats.panics,
            handles: scope.handles().into_iter().map(number).collect(),
            is_draining: scope.is_draining(),
            is_settled: task::spawn(scope.drained()).poll().is_ready(),
        }
    }
}

impl Manager for Real {
    fn apply(&mut self, op: Op) -> Outcome {
        let action = match op {
            Op::BeginStep(who) => Action::BeginStep(who, Step::Undo),
            Op::TakeOver(who, at) => Action::TakeOver(who, at, Deadline::None),
            op => Action::Plain(op),
        };
        match self.act(action) {
            Returned::Plain(outcome) => outcome,
            Returned::Failed(error) => panic!("{error}"),
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        let members = self.registries[at.registry].registry.members(&at.key);
        members.iter().map(|member| member.1).collect()
    }

    fn count(&self, scope: usize) -> Option<i64> {
        i64::try_from(self.scopes[scope].handles().len()).ok()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        let connection = &self.connections[&connection];
        let undone = connection.undos_run.lock().unwrap();
        let step = |undo| connection.steps.iter().position(|step| step == undo);
        Some(undone.iter().filter_map(step).collect())
    }

    fn state(&self, connection: usize) -> Option<State> {
        Some(self.connections[&connection].handle.state())
    }
}

impl Table {
    fn new(policy: Conflict) -> Self {
        let hooks = Arc::new(Mutex::new(Vec::new()));
        let notes = |hook| {
            let hooks = Arc::clone(&hooks);
            move |key: &usize| hooks.lock().unwrap().push((*key, hook))
        };
        let registry = Registry::builder(policy)
            .on_first(notes(Hook::First))
            .on_last(notes(Hook::Last))
            .remember_closes(REMEMBERED)
            .build();
        Self { registry, hooks }
    }

    fn seen(&self) -> SeenRegistry {
        let mut keys: Vec<_> = self.registry.keys().collect();
        keys.sort_unstable();
        let members = self.registry.iter();
        let mut iter: Vec<_> = members.map(|(key, member)| (key, member.0)).collect();
        iter.sort_unstable();
        SeenRegistry {
            len: self.registry.len(),
            is_empty: self.registry.is_empty(),
            keys,
            iter,
        }
    }

    fn seen_key(&self, key: usize) -> SeenKey {
        let members = self.registry.members(&key);
        let hooks = self.hooks.lock().unwrap();
        let hooks = hooks.iter().filter(|(of, _)| *of == key);
        SeenKey {
            get: self.registry.get(&key).map(|member| member.0),
            contains: self.registry.contains(&key),
            members: members.iter().map(|member| member.0).collect(),
            count: self.registry.count(&key),
            hooks: hooks.map(|(_, hook)| *hook).collect(),
        }
    }
}

impl Connection {
    fn new(pending: Pending) -> Self {
        Self {
            handle: pending.handle(),
            owner: Owner::Pending(pending),
            takes_over: None,
            undos: 0,
            steps: Vec::new(),
            undos_run: Arc::default(),
        }
    }

    fn next_undo(&mut self) -> (Arc<Mutex<Vec<usize>>>, usize) {
        let number = self.undos;
        self.undos += 1;
        (Arc::clone(&self.undos_run), number)
    }

    fn on_close(&mut self, setup: &mut Registering, undo: Undo) {
        let (undone, number) = self.next_undo();
        let registered = match undo {
            Undo::OnClose | Undo::Step => {
                setup.on_close(move || undone.lock().unwrap().push(number))
            }
            Undo::Panicking => setup.on_close(move || {
                undone.lock().unwrap().push(number);
                // `resume_unwind` bypasses the panic hook, which would print it.
                std::panic::resume_unwind(Box::new("undo"));
            }),
            Undo::Hold => setup.hold(UndoneOnDrop(undone, number)),
        };
        assert_eq!(registered.err(), self.handle.state().closed());
    }

    fn seen(&self, who: usize) -> SeenConnection {
        let settled = self.handle.try_settled();
        // An open connection that has had waiters closes on another path than one that has
        // not, so half of them have none.
        if who % 2 == 0 || self.handle.state().is_closed() {
            let polled = match task::spawn(self.handle.settled()).poll() {
                Poll::Ready(settled) => Some(settled),
                Poll::Pending => None,
            };
            assert_eq!(polled, settled);
        }
        SeenConnection {
            state: self.handle.state(),
            settled: settled.map(Into::into),
            undos_run: self.undos_run.lock().unwrap().clone(),
        }
    }
}

impl Owner {
    fn close(self, reason: CloseReason) -> Result<(), Closed> {
        match self {
            Self::Pending(pending) => pending.close(reason),
            Self::Registering(setup) => setup.close(reason),
            Self::Live(live) => live.close(reason),
            Self::Gone | Self::Waiting(_) => panic!("the owner cannot close it"),
        }
    }
}

struct UndoneOnDrop(Arc<Mutex<Vec<usize>>>, usize);

impl Drop for UndoneOnDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

fn plain(outcome: Outcome) -> Returned {
    Returned::Plain(outcome)
}

/// The error must say how the connection was closed.
fn done(result: Result<(), Closed>, handle: &Handle) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(closed) => {
            assert_eq!(handle.state(), State::Closed(closed));
            Outcome::Closed
        }
    }
}

fn advanced<T>(
    result: Result<T, Closed>,
    handle: &Handle,
    owner: impl FnOnce(T) -> Owner,
) -> (Owner, Returned) {
    match result {
        Ok(next) => (owner(next), plain(Outcome::Done)),
        Err(closed) => (Owner::Gone, plain(done(Err(closed), handle))),
    }
}

//! The real thing, driven by operations.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use hangup::{CloseReason, Closed, Handle, Live, Pending, Registering, Registry, Scope};
use tokio_test::task;

use crate::op::{Condition, KEYS, Key, Op, POLICIES, Policy, REMEMBERED, SLOTS, Undo};
use crate::seen::{Hook, Outcome, Seen, SeenConnection, SeenKey, SeenRegistry, SeenScope};
use crate::waiting::{Waiting, Word};

pub(crate) struct Real {
    scope: Scope,
    registries: Vec<Workers>,
    /// All that were ever opened.
    connections: Vec<Opened>,
    slots: [Slot; SLOTS],
    joined: u32,
    /// A clone is in every value.
    values: Arc<()>,
}

pub(crate) type Value = (u32, Arc<()>);

struct Workers {
    registry: Registry<Key, Value>,
    hooks: Arc<Mutex<Vec<(Key, Hook)>>>,
}

struct Opened {
    handle: Handle,
    undos: usize,
    undone: Arc<Mutex<Vec<usize>>>,
}

#[derive(Default)]
struct Slot {
    owner: Owner,
    /// Whose owner is or was here last.
    connection: Option<usize>,
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
    pub(crate) fn new(max_connections: Option<usize>) -> Self {
        let mut scope = Scope::builder();
        if let Some(max) = max_connections {
            scope = scope.max_connections(max);
        }
        Self {
            scope: scope.build(),
            registries: POLICIES.map(Workers::new).into(),
            connections: Vec::new(),
            slots: Default::default(),
            joined: 0,
            values: Arc::new(()),
        }
    }

    pub(crate) fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(slot) => self.open(slot),
            Op::CloseByHandle(slot, reason) => match self.slots[slot].connection {
                Some(number) => done(self.connections[number].handle.close(reason)),
                None => Outcome::PassedOver,
            },
            Op::DropOwner(slot) => match std::mem::take(&mut self.slots[slot].owner) {
                Owner::Gone => Outcome::PassedOver,
                owner => {
                    drop(owner);
                    Outcome::Done
                }
            },
            Op::CloseKey(policy, key, reason) => {
                Outcome::Count(self.registry(policy).close(&key, reason))
            }
            Op::CloseWhere(policy, condition, reason) => {
                Outcome::Count(self.close_where(policy, condition, reason))
            }
            Op::CloseAll(reason) => Outcome::Count(self.scope.close_all(reason)),
            Op::BeginDrain => {
                self.scope.begin_drain();
                Outcome::Done
            }
            Op::Register(slot)
            | Op::OnClose(slot, _)
            | Op::Join(slot, ..)
            | Op::TakeOver(slot, ..)
            | Op::BeginStep(slot, _)
            | Op::Poll(slot)
            | Op::CompleteStep(slot)
            | Op::PassDeadline(slot)
            | Op::Cancel(slot)
            | Op::GoLive(slot)
            | Op::CloseByOwner(slot, _) => {
                let owner = std::mem::take(&mut self.slots[slot].owner);
                let (owner, outcome) = self.drive(slot, owner, op);
                self.slots[slot].owner = owner;
                outcome
            }
        }
    }

    fn open(&mut self, slot: usize) -> Outcome {
        if !matches!(self.slots[slot].owner, Owner::Gone) {
            return Outcome::PassedOver;
        }
        match self.scope.open() {
            Ok(pending) => {
                self.slots[slot].connection = Some(self.connections.len());
                self.connections.push(Opened::new(&pending));
                self.slots[slot].owner = Owner::Pending(pending);
                Outcome::Done
            }
            Err(refused) => Outcome::Refused(refused),
        }
    }

    /// What the owner in a slot does, and what becomes of it.
    fn drive(&mut self, slot: usize, owner: Owner, op: Op) -> (Owner, Outcome) {
        match (owner, op) {
            (Owner::Pending(pending), Op::Register(_)) => {
                moved(pending.register(), Owner::Registering)
            }
            (Owner::Registering(mut setup), Op::OnClose(_, undo)) => {
                let number = self.slots[slot].connection.expect("it has an owner");
                self.connections[number].on_close(&mut setup, undo);
                (Owner::Registering(setup), Outcome::Done)
            }
            (Owner::Registering(mut setup), Op::Join(_, policy, key)) => {
                let value = self.next_value();
                let joined = setup.join(self.registry(policy), key, value);
                let outcome = joined.map_or_else(Outcome::NotJoined, |()| Outcome::Done);
                (Owner::Registering(setup), outcome)
            }
            (Owner::Registering(setup), Op::TakeOver(_, policy, key, deadline)) => {
                let value = self.next_value();
                let registry = self.registry(policy).clone();
                let taking = Waiting::take_over(setup, registry, key, value, deadline);
                poll(taking, Word::GoOn)
            }
            (Owner::Registering(setup), Op::BeginStep(_, step)) => {
                poll(Waiting::step(setup, step), Word::GoOn)
            }
            (Owner::Waiting(waiting), Op::Poll(_)) => poll(waiting, Word::GoOn),
            (Owner::Waiting(waiting), Op::CompleteStep(_)) => poll(waiting, Word::Complete),
            (Owner::Waiting(waiting), Op::PassDeadline(_)) => poll(waiting, Word::PassDeadline),
            (Owner::Waiting(waiting), Op::Cancel(_)) => poll(waiting, Word::Cancel),
            (Owner::Registering(setup), Op::GoLive(_)) => moved(setup.go_live(), Owner::Live),
            (Owner::Pending(pending), Op::CloseByOwner(_, reason)) => {
                (Owner::Gone, done(pending.close(reason)))
            }
            (Owner::Registering(setup), Op::CloseByOwner(_, reason)) => {
                (Owner::Gone, done(setup.close(reason)))
            }
            (Owner::Live(live), Op::CloseByOwner(_, reason)) => {
                (Owner::Gone, done(live.close(reason)))
            }
            (owner, _) => (owner, Outcome::PassedOver),
        }
    }

    fn close_where(&self, policy: Policy, condition: Condition, reason: CloseReason) -> usize {
        self.registry(policy)
            .close_where(|key, (value, _)| condition.holds(*key, *value), reason)
    }

    fn registry(&self, policy: Policy) -> &Registry<Key, Value> {
        &self.registries[policy as usize].registry
    }

    fn next_value(&mut self) -> Value {
        self.joined += 1;
        (self.joined, Arc::clone(&self.values))
    }

    pub(crate) fn last_close(&self, policy: Policy, key: Key) -> Option<Closed> {
        self.registry(policy).last_close(&key)
    }

    /// Whether the owner in this slot, which waits, has been woken since it was polled.
    pub(crate) fn is_woken(&self, slot: usize) -> bool {
        match &self.slots[slot].owner {
            Owner::Waiting(waiting) => waiting.is_woken(),
            Owner::Gone | Owner::Pending(_) | Owner::Registering(_) | Owner::Live(_) => false,
        }
    }

    /// How many values there are, in registries and futures.
    pub(crate) fn values(&self) -> usize {
        Arc::strong_count(&self.values) - 1
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            connections: self.connections.iter().map(Opened::seen).collect(),
            scope: self.seen_scope(),
            registries: self.registries.iter().map(Workers::seen).collect(),
        }
    }

    fn seen_scope(&self) -> SeenScope {
        let stats = self.scope.stats();
        let number = |handle| {
            let mut opened = self.connections.iter();
            opened.position(|opened| opened.handle == handle)
        };
        let handles = self.scope.handles().into_iter().filter_map(number);
        SeenScope {
            pending: stats.pending,
            registering: stats.registering,
            live: stats.live,
            settling: stats.settling,
            closed: stats.closed,
            undone: stats.undone,
            panicked: stats.panicked,
            handles: handles.collect(),
            is_draining: self.scope.is_draining(),
            is_settled: task::spawn(self.scope.settled()).poll().is_ready(),
        }
    }
}

impl Workers {
    fn new(policy: Policy) -> Self {
        let hooks = Arc::new(Mutex::new(Vec::new()));
        let adds = |hook| {
            let hooks = Arc::clone(&hooks);
            move |key: &Key| hooks.lock().unwrap().push((*key, hook))
        };
        let registry = Registry::builder(policy.conflict())
            .on_first(adds(Hook::First))
            .on_last(adds(Hook::Last))
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
            under: KEYS.map(|key| (key, self.seen_key(key))).into(),
            len: self.registry.len(),
            is_empty: self.registry.is_empty(),
            keys,
            iter,
        }
    }

    fn seen_key(&self, key: Key) -> SeenKey {
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

impl Opened {
    fn new(pending: &Pending) -> Self {
        Self {
            handle: pending.handle(),
            undos: 0,
            undone: Arc::default(),
        }
    }

    fn on_close(&mut self, setup: &mut Registering, undo: Undo) {
        let number = self.undos;
        self.undos += 1;
        let undone = Arc::clone(&self.undone);
        match undo {
            Undo::OnClose => setup.on_close(move || undone.lock().unwrap().push(number)),
            Undo::Panicking => setup.on_close(move || {
                undone.lock().unwrap().push(number);
                // Past the panic hook, which would print it.
                std::panic::resume_unwind(Box::new("undo"));
            }),
            Undo::Hold => setup.hold(UndoneOnDrop(undone, number)),
        }
    }

    fn seen(&self) -> SeenConnection {
        let settled = match task::spawn(self.handle.settled()).poll() {
            Poll::Ready(settled) => Some(settled.into()),
            Poll::Pending => None,
        };
        SeenConnection {
            state: self.handle.state(),
            settled,
            undone: self.undone.lock().unwrap().clone(),
        }
    }
}

struct UndoneOnDrop(Arc<Mutex<Vec<usize>>>, usize);

impl Drop for UndoneOnDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

fn done(result: Result<(), Closed>) -> Outcome {
    result.map_or_else(Outcome::Closed, |()| Outcome::Done)
}

fn moved<T>(result: Result<T, Closed>, owner: impl FnOnce(T) -> Owner) -> (Owner, Outcome) {
    match result {
        Ok(next) => (owner(next), Outcome::Done),
        Err(closed) => (Owner::Gone, Outcome::Closed(closed)),
    }
}

fn poll(waiting: Waiting, word: Word) -> (Owner, Outcome) {
    match waiting.poll(word) {
        Ok((setup, outcome)) => (Owner::Registering(setup), outcome),
        Err(waiting) => (Owner::Waiting(waiting), Outcome::Waits),
    }
}

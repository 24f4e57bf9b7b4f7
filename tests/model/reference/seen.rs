//! What the reference expects to be seen.

use hangup::State;

use super::connection::Connection;
use super::places::{Place, Places};
use super::{Number, Reference};
use crate::op::{KEYS, Key};
use crate::seen::{Seen, SeenConnection, SeenKey, SeenRegistry, SeenScope, Settlement};

impl Reference {
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            connections: self.connections.iter().map(Connection::seen).collect(),
            scope: self.seen_scope(),
            registries: self
                .registries
                .iter()
                .map(|r| self.seen_registry(r))
                .collect(),
        }
    }

    fn seen_scope(&self) -> SeenScope {
        let mut scope = SeenScope {
            is_draining: self.is_draining,
            ..SeenScope::default()
        };
        for (number, connection) in self.connections.iter().enumerate() {
            match (connection.state, connection.has_settled()) {
                (State::Pending, _) => scope.pending += 1,
                (State::Registering, _) => scope.registering += 1,
                (State::Live, _) => scope.live += 1,
                (State::Closed(_), false) => scope.settling += 1,
                (State::Closed(closed), true) => *scope.closed.entry(closed).or_default() += 1,
            }
            scope.undone += connection.undone.len() as u64;
            scope.panicked += connection.panics as u64;
            if !connection.has_settled() {
                scope.handles.push(number);
            }
        }
        scope.is_settled = scope.is_draining && scope.handles.is_empty();
        scope
    }

    fn seen_registry(&self, registry: &Places) -> SeenRegistry {
        let live = || {
            registry
                .iter()
                .filter(|place| self.is_live(place.connection))
        };
        let mut iter: Vec<_> = live().map(|place| (place.key, place.value)).collect();
        iter.sort_unstable();
        let mut keys: Vec<_> = live().map(|place| place.key).collect();
        keys.sort_unstable();
        keys.dedup();
        SeenRegistry {
            under: KEYS.map(|key| (key, self.seen_key(registry, key))).into(),
            len: iter.len(),
            is_empty: iter.is_empty(),
            keys,
            iter,
        }
    }

    fn seen_key(&self, registry: &Places, key: Key) -> SeenKey {
        let live = |place: &Place| self.is_live(place.connection);
        let live = registry.under(key).filter(live);
        let members: Vec<_> = live.map(|place| place.value).collect();
        let hooks = registry.hooks.iter().filter(|(of, _)| *of == key);
        SeenKey {
            get: members.last().copied(),
            contains: !members.is_empty(),
            count: members.len(),
            members,
            hooks: hooks.map(|(_, hook)| *hook).collect(),
        }
    }

    fn is_live(&self, number: Number) -> bool {
        self.connections[number].state == State::Live
    }
}

impl Connection {
    fn seen(&self) -> SeenConnection {
        let settled = self.closed().filter(|_| self.has_settled());
        SeenConnection {
            state: self.state,
            settled: settled.map(|closed| Settlement {
                closed,
                undone: self.undone.len(),
                panics: self.panics,
            }),
            undone: self.undone.clone(),
        }
    }
}

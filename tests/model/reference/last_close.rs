//! What `last_close` may answer.

use hangup::Closed;

use super::{Number, Reference};
use crate::op::{KEYS, Key, Policy, REMEMBERED};

impl Reference {
    /// More than one answer where several settled in one operation, since nothing is said
    /// of their order.
    pub(crate) fn last_closes(&self, policy: Policy, key: Key) -> Vec<Option<Closed>> {
        let registry = &self.registries[policy as usize];
        let mut holders = registry.under(key).map(|place| place.connection);
        // In the order of joining, so the newest is the last.
        if let Some(newest) = holders.rfind(|holder| !self.is_open(*holder)) {
            return vec![self.connections[newest].closed()];
        }
        let (must_be_known, may_be_known) = self.is_remembered(policy, key);
        let settled_at = |number: Number| self.connections[number].settled_at;
        let last = self.ended_under(policy, key).filter_map(settled_at).max();
        let mut answers = Vec::new();
        if may_be_known {
            let ended = self.ended_under(policy, key);
            let last = ended.filter(|number| settled_at(*number) == last);
            answers.extend(last.map(|number| self.connections[number].closed()));
        }
        if !must_be_known {
            answers.push(None);
        }
        answers
    }

    /// Whether the key must be, and may be, among those under which a connection
    /// settled last.
    fn is_remembered(&self, policy: Policy, key: Key) -> (bool, bool) {
        let last_settled = |key| {
            let ended = self.ended_under(policy, key);
            ended.filter_map(|of| self.connections[of].settled_at).max()
        };
        let Some(at) = last_settled(key) else {
            return (false, false);
        };
        let others = || KEYS.into_iter().filter(|other| *other != key);
        let later = others().filter(|other| last_settled(*other) > Some(at));
        let not_earlier = others().filter(|other| last_settled(*other) >= Some(at));
        (not_earlier.count() < REMEMBERED, later.count() < REMEMBERED)
    }

    fn ended_under(&self, policy: Policy, key: Key) -> impl Iterator<Item = Number> {
        let ended = self.registries[policy as usize].ended.iter();
        ended
            .filter(move |(of, _)| *of == key)
            .map(|(_, number)| *number)
    }
}

//! What `Registry::last_close` may return.

use hangup::Closed;
use hangup_test::schedule::Place;

use super::Expected;
use crate::layout::REMEMBERED;

impl Expected {
    /// Returns every right answer. There are several if several connections settled in
    /// one action, since their order is unspecified.
    pub(crate) fn last_closes(&self, at: Place) -> Vec<Option<Closed>> {
        let holders = self.claims.iter().filter(|claim| claim.at == at);
        let mut closed = holders.filter(|claim| self.is_closed(claim.who));
        if let Some(newest) = closed.next_back() {
            return vec![self.state(newest.who).closed()];
        }
        let Some(last) = self.last_settled(at) else {
            return vec![None];
        };
        let others = self.layout.places();
        let others = others.filter(|other| other.registry == at.registry && *other != at);
        let others: Vec<_> = others.map(|other| self.last_settled(other)).collect();
        let later = others.iter().filter(|at| **at > Some(last)).count();
        let not_earlier = others.iter().filter(|at| **at >= Some(last)).count();
        let mut answers = Vec::new();
        if later < REMEMBERED {
            let ended = self.ended_at(at).filter(|(_, at)| *at == last);
            answers.extend(ended.map(|(who, _)| self.state(who).closed()));
        }
        if not_earlier >= REMEMBERED {
            answers.push(None);
        }
        answers
    }

    fn last_settled(&self, at: Place) -> Option<usize> {
        self.ended_at(at).map(|(_, at)| at).max()
    }

    /// Returns the connections that gave back this place when they had closed, and when they
    /// did.
    fn ended_at(&self, at: Place) -> impl Iterator<Item = (usize, usize)> {
        let ended = self.ended.iter().filter(move |(place, ..)| *place == at);
        ended.map(|(_, who, at)| (*who, *at))
    }
}

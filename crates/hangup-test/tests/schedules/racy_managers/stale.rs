//! The cleanup of a connection removes whichever entry is under its key.

use std::collections::{HashMap, HashSet};

use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{find, finds, passes};

#[derive(Default)]
struct RemovesByKey {
    open: HashSet<usize>,
    by_key: HashMap<usize, usize>,
    key_of: HashMap<usize, usize>,
    /// The correct one removes its own entry only.
    by_identity: bool,
}

impl RemovesByKey {
    fn end(&mut self, who: usize) -> Outcome {
        if let Some(key) = self.key_of.remove(&who) {
            if !self.by_identity || self.by_key.get(&key) == Some(&who) {
                self.by_key.remove(&key);
            }
        }
        match self.open.remove(&who) {
            true => Outcome::Done,
            false => Outcome::Closed,
        }
    }
}

impl Manager for RemovesByKey {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(who, _) => {
                self.open.insert(who);
                Outcome::Done
            }
            Op::Join(who, _) if !self.open.contains(&who) => Outcome::Closed,
            Op::Join(who, at) => {
                self.key_of.insert(who, at.key);
                if let Some(old) = self.by_key.insert(at.key, who) {
                    self.open.remove(&old);
                }
                Outcome::Done
            }
            Op::Close(who, _) => self.end(who),
            Op::Drop(who) => {
                self.end(who);
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, at: Place) -> Vec<usize> {
        self.by_key.get(&at.key).copied().into_iter().collect()
    }
}

fn shape() -> Shape {
    Shape::new().only([Kind::Join, Kind::Close])
}

#[test]
fn r8_removed_by_key_after_a_reconnect() {
    finds(&shape(), Race::R8, 5, RemovesByKey::default);
}

#[test]
fn nothing_is_found_if_it_is_removed_by_identity() {
    passes(&shape(), 300, || RemovesByKey {
        by_identity: true,
        ..RemovesByKey::default()
    });
}

/// This is the example of the documentation, for every seed.
#[test]
fn a_divergence_prints_the_operations() {
    let shape = Shape::new().only([Kind::Join]);
    for seed in 0..50 {
        let divergence = find(&shape, seed, RemovesByKey::default);
        assert_eq!(
            divergence.to_string(),
            "R8 stale close after a reconnect: after operation 5, \
             key 0 of registry 0 shows connections [], not [1]
   1. connection 0 opens in scope 0
   2. connection 0 joins under key 0 of registry 0
   3. connection 1 opens in scope 0
   4. connection 1 joins under key 0 of registry 0
   5. connection 0 is dropped"
        );
    }
}

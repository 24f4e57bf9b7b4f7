//! The contents of a ledger.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::kind::{Kind, Levels};
use crate::party::Party;

#[derive(Debug, Default)]
pub(crate) struct LedgerState {
    /// The party that acts.
    pub(crate) actor: Party,
    pub(crate) ended: BTreeSet<Party>,
    /// The parties that read their signal before it fired.
    pub(crate) looked: BTreeSet<Party>,
    pub(crate) faults: Vec<Fault>,
    things: BTreeMap<String, Thing>,
    /// What was released for each party after its end.
    undone: BTreeSet<(Party, String)>,
    next: u64,
    log_head: Option<u64>,
    delivered: BTreeMap<Party, u64>,
}

#[derive(Debug)]
struct Thing {
    kind: Kind,
    /// Oldest first.
    holdings: Vec<Holding>,
    at_most: usize,
}

/// A number of things that were acquired together.
#[derive(Debug, Clone, Copy)]
struct Holding {
    id: HoldingId,
    count: usize,
    by: Party,
    after_end: bool,
    after_undo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldingId(u64);

impl LedgerState {
    pub(super) fn acquire(&mut self, kind: Kind, name: String) -> HoldingId {
        self.acquire_some(kind, name, 1)
    }

    fn acquire_some(&mut self, kind: Kind, name: String, count: usize) -> HoldingId {
        let by = self.actor;
        let after_end = self.ended.contains(&by);
        let after_undo = after_end && self.undone.contains(&(by, name.clone()));
        // The undo itself may acquire a counted resource for a moment.
        if after_undo && matches!(kind, Kind::Entry | Kind::Switch) {
            let name = name.clone();
            self.faults.push(Fault::AcquiredAfterUndo { name, by });
        }
        self.next += 1;
        let id = HoldingId(self.next);
        let thing = self.thing(kind, name.clone());
        thing.holdings.push(Holding {
            id,
            count,
            by,
            after_end,
            after_undo,
        });
        let (held, cap) = (thing.level(), thing.at_most);
        if held > cap {
            self.faults.push(Fault::OverCap { name, held, cap });
        }
        id
    }

    pub(super) fn release_held(&mut self, name: &str, id: HoldingId) {
        let thing = self.things.get_mut(name);
        let at = thing
            .as_ref()
            .and_then(|thing| thing.holdings.iter().position(|it| it.id == id));
        if let (Some(thing), Some(at)) = (thing, at) {
            let by = thing.holdings.remove(at).by;
            self.note_undone(by, name);
        }
    }

    pub(super) fn release(&mut self, kind: Kind, name: &str) {
        let by = self.actor;
        self.note_undone(by, name);
        match self.thing(kind, name.to_owned()).take(by, 1) {
            Some((from, _)) => self.released(name, kind, from),
            None => {
                let name = name.to_owned();
                self.faults.push(Fault::ReleasedTwice { name, by });
            }
        }
    }

    pub(super) fn set(&mut self, kind: Kind, name: String) {
        if let Some(thing) = self.things.get_mut(&name) {
            thing.holdings.clear();
        }
        self.acquire(kind, name);
    }

    pub(super) fn clear(&mut self, kind: Kind, name: &str) {
        let by = self.actor;
        self.note_undone(by, name);
        let holdings = std::mem::take(&mut self.thing(kind, name.to_owned()).holdings);
        for held in holdings {
            self.released(name, kind, held.by);
        }
    }

    /// Sets the level of `name` to a number that was counted from outside.
    pub(crate) fn observe(&mut self, kind: Kind, name: &str, level: usize) {
        // An unsigned counter that wrapped below zero.
        let level = if isize::try_from(level).is_err() {
            let (name, by) = (name.to_owned(), self.actor);
            self.faults.push(Fault::ReleasedTwice { name, by });
            0
        } else {
            level
        };
        let held = self.thing(kind, name.to_owned()).level();
        if level > held {
            self.acquire_some(kind, name.to_owned(), level - held);
        }
        // The holder of the difference is unknown.
        let by = self.actor;
        let mut less = held.saturating_sub(level);
        while let Some((from, taken)) = self.thing(kind, name.to_owned()).take(by, less) {
            self.note_undone(by, name);
            self.note_undone(from, name);
            less -= taken;
        }
    }

    pub(super) fn at_most(&mut self, cap: usize, name: String) {
        self.thing(Kind::Resource, name).at_most = cap;
    }

    pub(super) fn published(&mut self, number: u64) {
        self.log_head = Some(number);
    }

    pub(crate) fn delivered(&mut self, to: Party, number: u64) {
        let last = self.delivered.insert(to, number);
        match last {
            Some(last) if number <= last => self.faults.push(Fault::Repeated { number, last }),
            Some(last) if number > last + 1 => self.faults.push(Fault::Skipped { number, last }),
            Some(_) | None => {}
        }
    }

    /// Checks that an open and idle connection has received every item.
    pub(crate) fn expect_all_delivered(&mut self, to: Party) {
        if let (Some(&last), Some(head)) = (self.delivered.get(&to), self.log_head) {
            if last < head {
                self.faults.push(Fault::Undelivered { last, head });
            }
        }
    }

    /// Returns what is held beyond `before`.
    pub(crate) fn left(&self, before: &Levels) -> Vec<Fault> {
        let mut left = Vec::new();
        for (name, thing) in &self.things {
            let mut before = before.get(name).map_or(0, |(_, held)| *held);
            for held in &thing.holdings {
                let was_there = held.count <= before;
                before = before.saturating_sub(held.count);
                if was_there {
                    continue;
                }
                left.push(Fault::Left {
                    kind: thing.kind,
                    name: name.clone(),
                    by: held.by,
                    after_end: held.after_end,
                    after_undo: held.after_undo,
                    looked: self.looked.contains(&held.by),
                });
            }
        }
        left
    }

    /// Returns what `by` lacks: the things of which fewer are held than in `expected`.
    pub(crate) fn missing(&self, expected: &Levels, by: Party) -> Vec<Fault> {
        // This includes things that never occurred in this run.
        let held = |name| self.things.get(name).map_or(0, Thing::level);
        let missing = expected.iter().filter(|(name, (kind, expected))| {
            // The number of tasks may differ.
            held(*name) < *expected && *kind != Kind::Task
        });
        let faults = missing.map(|(name, (kind, _))| Fault::Missing {
            kind: *kind,
            name: name.clone(),
            by,
        });
        faults.collect()
    }

    pub(crate) fn levels(&self) -> Levels {
        let things = self.things.iter();
        things
            .map(|(name, thing)| (name.clone(), (thing.kind, thing.level())))
            .filter(|(_, (_, level))| *level > 0)
            .collect()
    }

    /// Returns the indexes that have an entry.
    pub(crate) fn entries(&self) -> BTreeSet<String> {
        let things = self.things.iter();
        things
            .filter(|(_, thing)| thing.kind == Kind::Entry && !thing.holdings.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Returns the indexes in which `party` has an entry.
    pub(crate) fn shown(&self, party: Party) -> Vec<String> {
        let things = self.things.iter();
        things
            .filter(|(_, thing)| {
                thing.kind == Kind::Entry && thing.holdings.iter().any(|held| held.by == party)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Returns the permits of which fewer than `needed` are held.
    pub(crate) fn permits_below(&self, needed: usize) -> Vec<String> {
        let things = self.things.iter();
        things
            .filter(|(_, thing)| thing.kind == Kind::Permit && thing.level() < needed)
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn thing(&mut self, kind: Kind, name: String) -> &mut Thing {
        let thing = self.things.entry(name).or_insert(Thing {
            kind,
            holdings: Vec::new(),
            at_most: usize::MAX,
        });
        if kind != Kind::Resource {
            thing.kind = kind;
        }
        thing
    }

    /// Records that the acting party has released what `from` held.
    fn released(&mut self, name: &str, kind: Kind, from: Party) {
        let by = self.actor;
        // A party that has not ended may be taking over.
        if self.ended.contains(&by) && by < from {
            let name = name.to_owned();
            self.faults.push(Fault::Taken {
                kind,
                name,
                by,
                from,
            });
        }
        self.note_undone(from, name);
    }

    fn note_undone(&mut self, party: Party, name: &str) {
        if self.ended.contains(&party) {
            self.undone.insert((party, name.to_owned()));
        }
    }
}

impl Thing {
    fn level(&self) -> usize {
        self.holdings.iter().map(|held| held.count).sum()
    }

    /// Takes up to `most` from one holding: that of `by`, or else the oldest, since a
    /// successor may undo it. Returns the holder and the number.
    fn take(&mut self, by: Party, most: usize) -> Option<(Party, usize)> {
        let own = self.holdings.iter().position(|held| held.by == by);
        let at = own.unwrap_or(0);
        let held = self.holdings.get_mut(at).filter(|_| most > 0)?;
        let (from, taken) = (held.by, held.count.min(most));
        held.count -= taken;
        if held.count == 0 {
            self.holdings.remove(at);
        }
        Some((from, taken))
    }
}

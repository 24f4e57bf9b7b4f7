//! What a ledger has written down.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::kind::{Kind, Levels};
use crate::party::Party;

#[derive(Debug, Default)]
pub(crate) struct LedgerState {
    /// Who is at work.
    pub(crate) actor: Party,
    pub(crate) ended: BTreeSet<Party>,
    /// Who has looked at its signal while that had not fired.
    pub(crate) looked: BTreeSet<Party>,
    pub(crate) faults: Vec<Fault>,
    things: BTreeMap<String, Thing>,
    /// What was released for whom after its end.
    undone: BTreeSet<(Party, String)>,
    next: u64,
    log_head: Option<u64>,
    delivered: BTreeMap<Party, u64>,
}

#[derive(Debug)]
struct Thing {
    kind: Kind,
    /// The oldest first.
    holdings: Vec<Holding>,
    at_most: usize,
}

/// Some of it that came at once.
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
        // What is counted may be needed for the undo itself, and be given back.
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

    /// There are `level` of it, as somebody sees who has counted.
    pub(crate) fn observe(&mut self, kind: Kind, name: &str, level: usize) {
        // Below zero, as an unsigned counter has it.
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
        // Nobody says who had it.
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

    /// Everything is at rest and the connection is open: it must have got all there is.
    pub(crate) fn expect_all_delivered(&mut self, to: Party) {
        if let (Some(&last), Some(head)) = (self.delivered.get(&to), self.log_head) {
            if last < head {
                self.faults.push(Fault::Undelivered { last, head });
            }
        }
    }

    /// What is held beyond `before`.
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

    /// What there is less of than in `expected`, and that is missed by `by`.
    pub(crate) fn missing(&self, expected: &Levels, by: Party) -> Vec<Fault> {
        // Also what there never was in this run.
        let held = |name| self.things.get(name).map_or(0, Thing::level);
        let missing = expected.iter().filter(|(name, (kind, expected))| {
            // How many tasks there are is nobody's business.
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

    /// The entries that are shown.
    pub(crate) fn entries(&self) -> BTreeSet<String> {
        let things = self.things.iter();
        things
            .filter(|(_, thing)| thing.kind == Kind::Entry && !thing.holdings.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The entries in which `party` is shown.
    pub(crate) fn shown(&self, party: Party) -> Vec<String> {
        let things = self.things.iter();
        things
            .filter(|(_, thing)| {
                thing.kind == Kind::Entry && thing.holdings.iter().any(|held| held.by == party)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The permits of which there are fewer than `needed`.
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

    /// Whoever is at work has released what was held by `from`.
    fn released(&mut self, name: &str, kind: Kind, from: Party) {
        let by = self.actor;
        // While it has not ended, it may be the one that takes over.
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

    /// Takes up to `most` away for `by`: its own first, else what is oldest, since that may
    /// be undone by whoever comes after it. Returns whose it was, and how much.
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

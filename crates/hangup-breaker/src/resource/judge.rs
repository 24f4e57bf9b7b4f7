//! What a resource knows of its owners, and what it counts.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// Refuses lower epochs, and counts what comes too early or too late. It decides by the order of
/// the calls alone.
#[derive(Debug)]
pub struct Judge {
    keys: HashMap<String, Guarded>,
    entries: Vec<Entry>,
    overlaps: Vec<Overlap>,
    counts: Counts,
    is_fenced: bool,
}

/// What is guarded by one key.
#[derive(Debug, Default)]
struct Guarded {
    highest: u64,
    /// The highest epoch that has left. A call to enter may arrive behind the one to leave, if its
    /// caller has not waited for the answer: it is over then.
    left: Option<u64>,
    /// By epoch: who has entered, and has not left.
    inside: BTreeMap<u64, Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// A successor has come all the same, and this was counted then.
    is_counted: bool,
    /// An act of it has been counted as late.
    undo_is_late: bool,
}

/// An owner that was let in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its epoch.
    pub epoch: u64,
    /// How it names itself.
    pub owner: String,
    /// What it was told of the owner before.
    pub predecessor: Told,
    /// When it came.
    pub at: Instant,
}

/// An owner that was let in before others had left.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// The newcomer.
    pub entry: Entry,
    /// The epochs of those who were there.
    pub earlier: Vec<u64>,
}

/// What an owner was told of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has left nothing.
    Settled,
    /// It may not have left.
    Unsettled,
}

/// What a [`Judge`] has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Owners that were let in.
    pub entered: u64,
    /// Owners that were refused, since a higher epoch had been seen: locked out.
    pub refused: u64,
    /// Owners that were refused, since they had left before: their call was late.
    pub late_entries: u64,
    /// Owners that were let in before the one before had left, and were told that it had.
    pub overlaps: u64,
    /// The same, but they were told that it may not have left.
    pub overlaps_told: u64,
    /// Acts that took effect.
    pub writes: u64,
    /// Acts under an epoch below the highest one.
    pub late_writes: u64,
    /// Undos that took effect.
    pub undos: u64,
    /// Undos under an epoch below the highest one.
    pub late_undos: u64,
    /// Late acts and undos that took effect: none, unless the resource has no fence.
    pub unfenced: u64,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It takes effect.
    Accepted,
    /// It has none: this higher epoch has been seen.
    Refused {
        /// The highest epoch under the key.
        highest: u64,
    },
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            entries: Vec::new(),
            overlaps: Vec::new(),
            counts: Counts::default(),
            is_fenced: true,
        }
    }
}

impl Judge {
    /// One that lets late calls take effect, and counts them: what a resource suffers that has no
    /// fence.
    #[must_use]
    pub fn without_fence() -> Self {
        Self {
            is_fenced: false,
            ..Self::default()
        }
    }

    /// An owner sets up. It is the newest one if its epoch is at least the highest that was seen
    /// under `key`.
    pub fn enter(&mut self, key: &str, epoch: u64, owner: &str, predecessor: Told) -> Verdict {
        let guarded = self.keys.entry(key.to_owned()).or_default();
        let highest = guarded.highest;
        if epoch < highest {
            self.counts.refused += 1;
            return Verdict::Refused { highest };
        }
        if guarded.left.is_some_and(|left| epoch <= left) {
            self.counts.late_entries += 1;
            return Verdict::Refused { highest };
        }
        guarded.highest = epoch;
        // The same owner may send it again.
        if guarded.inside.contains_key(&epoch) {
            return Verdict::Accepted;
        }
        let mut earlier = Vec::new();
        for (epoch, inside) in &mut guarded.inside {
            if !std::mem::replace(&mut inside.is_counted, true) {
                earlier.push(*epoch);
            }
        }
        guarded.inside.insert(epoch, Inside::default());
        let entry = Entry {
            key: key.to_owned(),
            epoch,
            owner: owner.to_owned(),
            predecessor,
            at: Instant::now(),
        };
        self.counts.entered += 1;
        self.entries.push(entry.clone());
        if !earlier.is_empty() {
            match predecessor {
                Told::Settled => self.counts.overlaps += 1,
                Told::Unsettled => self.counts.overlaps_told += 1,
            }
            self.overlaps.push(Overlap { entry, earlier });
        }
        Verdict::Accepted
    }

    /// An owner acts.
    pub fn write(&mut self, key: &str, epoch: u64) -> Verdict {
        let guarded = self.keys.entry(key.to_owned()).or_default();
        if epoch >= guarded.highest {
            guarded.highest = epoch;
            self.counts.writes += 1;
            return Verdict::Accepted;
        }
        self.counts.late_writes += 1;
        match self.is_fenced {
            true => Verdict::Refused {
                highest: guarded.highest,
            },
            false => {
                self.counts.unfenced += 1;
                Verdict::Accepted
            }
        }
    }

    /// An owner begins its undo. If it is late, it is counted, and is over.
    pub fn begin_to_leave(&mut self, key: &str, epoch: u64) -> Verdict {
        let guarded = self.keys.entry(key.to_owned()).or_default();
        if epoch >= guarded.highest {
            guarded.highest = epoch;
            return Verdict::Accepted;
        }
        let first = match guarded.inside.get_mut(&epoch) {
            Some(inside) => !std::mem::replace(&mut inside.undo_is_late, true),
            None => true,
        };
        self.counts.late_undos += u64::from(first);
        if self.is_fenced {
            guarded.inside.remove(&epoch);
            let highest = guarded.highest;
            return Verdict::Refused { highest };
        }
        Verdict::Accepted
    }

    /// The undo of an owner ends: a successor that comes from now on does not overlap.
    pub fn leave(&mut self, key: &str, epoch: u64) -> Verdict {
        let is_late = self.begin_to_leave(key, epoch);
        if let Verdict::Refused { .. } = is_late {
            return is_late;
        }
        let guarded = self.keys.entry(key.to_owned()).or_default();
        guarded.inside.remove(&epoch);
        guarded.left = guarded.left.max(Some(epoch));
        match epoch < guarded.highest {
            true => self.counts.unfenced += 1,
            false => self.counts.undos += 1,
        }
        Verdict::Accepted
    }

    /// What was counted up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All owners that were let in, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All overlaps, in their order.
    #[must_use]
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// Who was let in last under `key`.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// Whether the owner that was let in last under `key` has not left.
    #[must_use]
    pub fn is_inside(&self, key: &str) -> bool {
        let guarded = self.keys.get(key);
        guarded.is_some_and(|it| it.inside.contains_key(&it.highest))
    }

    /// The epochs of those who have entered and have not left, by key.
    #[must_use]
    pub fn inside(&self) -> BTreeMap<&str, Vec<u64>> {
        let keys = self.keys.iter().filter(|(_, it)| !it.inside.is_empty());
        keys.map(|(key, it)| (&key[..], it.inside.keys().copied().collect()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Judge, Told, Verdict};

    const REFUSED: Verdict = Verdict::Refused { highest: 2 };

    #[test]
    fn owners_that_follow_each_other_are_no_overlap() {
        let mut judge = Judge::default();
        for epoch in [1, 2, 7] {
            assert_eq!(
                judge.enter("k", epoch, "a", Told::Settled),
                Verdict::Accepted
            );
            assert_eq!(judge.write("k", epoch), Verdict::Accepted);
            assert!(judge.is_inside("k"));
            assert_eq!(judge.leave("k", epoch), Verdict::Accepted);
            assert!(!judge.is_inside("k"));
        }
        let expected = Counts {
            entered: 3,
            writes: 3,
            undos: 3,
            ..Counts::default()
        };
        assert_eq!(judge.counts(), expected);
        assert!(judge.inside().is_empty());
    }

    #[test]
    fn an_overlap_is_counted_once_by_what_the_newcomer_was_told() {
        for (told, overlaps, overlaps_told) in [(Told::Settled, 1, 0), (Told::Unsettled, 0, 1)] {
            let mut judge = Judge::default();
            judge.enter("k", 1, "a", Told::Settled);
            judge.enter("other", 1, "a", Told::Settled);
            judge.enter("k", 2, "b", told);
            judge.enter("k", 2, "b", told);
            assert_eq!(judge.inside()["k"], [1, 2]);
            assert_eq!(judge.leave("k", 2), Verdict::Accepted);
            judge.enter("k", 3, "c", Told::Settled);
            let counts = judge.counts();
            assert_eq!(counts.overlaps, overlaps);
            assert_eq!(counts.overlaps_told, overlaps_told);
            let [overlap] = judge.overlaps() else {
                panic!("{:?}", judge.overlaps());
            };
            assert_eq!(
                (&overlap.entry.owner[..], &overlap.earlier[..]),
                ("b", &[1][..])
            );
        }
    }

    #[test]
    fn an_undo_that_has_begun_and_not_ended_overlaps() {
        let mut judge = Judge::default();
        judge.enter("k", 1, "a", Told::Settled);
        assert_eq!(judge.begin_to_leave("k", 1), Verdict::Accepted);
        judge.enter("k", 2, "b", Told::Settled);
        assert_eq!(judge.counts().overlaps, 1);
        // It ends too late.
        assert_eq!(judge.leave("k", 1), REFUSED);
        assert_eq!(judge.counts().late_undos, 1);
        assert_eq!(judge.counts().undos, 0);
    }

    #[test]
    fn what_is_late_is_counted_and_refused() {
        let mut judge = Judge::default();
        judge.enter("k", 1, "a", Told::Settled);
        judge.enter("k", 2, "b", Told::Unsettled);
        assert_eq!(judge.write("k", 1), REFUSED);
        assert_eq!(judge.leave("k", 1), REFUSED);
        assert_eq!(judge.enter("k", 1, "a", Told::Settled), REFUSED);
        let counts = judge.counts();
        assert_eq!((counts.late_writes, counts.late_undos), (1, 1));
        assert_eq!((counts.writes, counts.undos), (0, 0));
        assert_eq!((counts.refused, counts.unfenced), (1, 0));
        assert!(judge.is_inside("k"));
    }

    #[test]
    fn an_owner_that_has_left_does_not_come_in() {
        let mut judge = Judge::default();
        assert_eq!(judge.leave("k", 2), Verdict::Accepted);
        assert_eq!(judge.enter("k", 2, "a", Told::Settled), REFUSED);
        assert_eq!(judge.enter("k", 1, "a", Told::Settled), REFUSED);
        let counts = judge.counts();
        assert_eq!((counts.late_entries, counts.refused), (1, 1));
        assert_eq!((counts.entered, counts.undos), (0, 1));
    }

    #[test]
    fn without_a_fence_what_is_late_takes_effect() {
        let mut judge = Judge::without_fence();
        judge.enter("k", 1, "a", Told::Settled);
        judge.enter("k", 2, "b", Told::Unsettled);
        assert_eq!(judge.write("k", 1), Verdict::Accepted);
        assert_eq!(judge.leave("k", 1), Verdict::Accepted);
        let counts = judge.counts();
        assert_eq!((counts.late_writes, counts.late_undos), (1, 1));
        assert_eq!(counts.unfenced, 2);
    }
}

//! The records, by a clock that is given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::engine::{Record, Revision, Swapped};

#[derive(Default)]
pub(super) struct Records {
    entries: BTreeMap<String, Entry>,
    /// When each record with a time to live goes, so that one that is not asked for goes as well.
    ends: BTreeSet<(Instant, String)>,
    /// Whether the version before the present one of each record is kept, for stale reads.
    keeps_versions: bool,
}

struct Entry {
    record: Record,
    until: Option<Instant>,
    before: Option<Record>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Records {
    pub(super) fn keep_versions(&mut self) {
        self.keeps_versions = true;
    }

    /// Loses all records.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn load(&self, name: &str, now: Instant) -> Option<Record> {
        let entry = self.entries.get(name)?;
        entry.is_live(now).then(|| entry.record.clone())
    }

    /// What a replica answers that has not heard of the last change.
    pub(super) fn load_stale(&self, name: &str, now: Instant) -> Option<Record> {
        let entry = self.entries.get(name)?;
        if entry.is_live(now) {
            entry.before.clone()
        } else {
            // The last change is that it has gone.
            Some(entry.record.clone())
        }
    }

    /// `revision` is asked for the number of the write, if there is one.
    pub(super) fn swap(
        &mut self,
        name: String,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
        now: Instant,
        revision: impl FnOnce() -> Revision,
    ) -> Swapped {
        self.sweep(now);
        let present = self.entries.get(&name).filter(|entry| entry.is_live(now));
        if present.map(|entry| entry.record.revision) != expected {
            return Swapped::Conflict;
        }
        let before = present
            .filter(|_| self.keeps_versions)
            .map(|entry| entry.record.clone());
        let revision = revision();
        // One that lies beyond what the clock can say never comes.
        let until = ttl.and_then(|ttl| now.checked_add(ttl));
        if let Some(until) = until {
            self.ends.insert((until, name.clone()));
        }
        let record = Record { revision, value };
        let entry = Entry {
            record,
            until,
            before,
        };
        if let Some(replaced) = self.entries.insert(name.clone(), entry) {
            // The same end may be that of the new one.
            if let Some(end) = replaced.until.filter(|end| Some(*end) != until) {
                self.ends.remove(&(end, name));
            }
        }
        Swapped::Done(revision)
    }

    /// Removes what has gone. A stale read still shows it, so versions are kept with it.
    fn sweep(&mut self, now: Instant) {
        if self.keeps_versions {
            return;
        }
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, name)) = self.ends.pop_first() {
                self.entries.remove(&name);
            }
        }
    }
}

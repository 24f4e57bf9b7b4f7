//! How the last connection under a key closed, for a bounded number of keys.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;

use hashbrown::HashTable;

use crate::state::Closed;
use crate::sync::{Mutex, lock};

/// A bounded memory: when it is full, it forgets the key whose last close is the oldest.
pub(super) struct LastCloses<K> {
    max_keys: usize,
    /// `K::clone`, as a value, so that only `remember_closes` needs the bound.
    clone: fn(&K) -> K,
    remembered: Mutex<Remembered<K>>,
}

struct Remembered<K> {
    entries: HashTable<Entry<K>>,
    /// The hash of each entry, by its age: the oldest comes first.
    by_age: BTreeMap<u64, u64>,
    next_age: u64,
}

struct Entry<K> {
    hash: u64,
    age: u64,
    key: K,
    closed: Closed,
}

impl<K: Clone> LastCloses<K> {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            max_keys,
            clone: K::clone,
            remembered: Mutex::new(Remembered {
                entries: HashTable::new(),
                by_age: BTreeMap::new(),
                next_age: 0,
            }),
        }
    }
}

impl<K> LastCloses<K> {
    pub(super) fn get<Q>(&self, hash: u64, key: &Q) -> Option<Closed>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let remembered = lock(&self.remembered);
        let entry = remembered
            .entries
            .find(hash, |entry| entry.key.borrow() == key)?;
        Some(entry.closed)
    }

    pub(super) fn record(&self, hash: u64, key: &K, closed: Closed)
    where
        K: Hash + Eq,
    {
        // Dropped after the lock is released (I8), also if `Eq` panics: it is the user's.
        let mut key = Some((self.clone)(key));
        let forgotten = lock(&self.remembered).record(self.max_keys, hash, &mut key, closed);
        drop(forgotten);
    }
}

impl<K: Eq> Remembered<K> {
    /// Takes `key` if it is new, and returns the key that is forgotten for it.
    fn record(
        &mut self,
        max_keys: usize,
        hash: u64,
        key: &mut Option<K>,
        closed: Closed,
    ) -> Option<K> {
        self.next_age += 1;
        let age = self.next_age;
        let is_it = |entry: &Entry<K>| key.as_ref() == Some(&entry.key);
        if let Some(entry) = self.entries.find_mut(hash, is_it) {
            self.by_age.remove(&entry.age);
            self.by_age.insert(age, hash);
            (entry.age, entry.closed) = (age, closed);
            return None;
        }
        let forgotten = if self.entries.len() < max_keys {
            None
        } else {
            self.forget_oldest()
        };
        self.by_age.insert(age, hash);
        let entry = Entry {
            hash,
            age,
            key: key.take()?,
            closed,
        };
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        forgotten
    }

    fn forget_oldest(&mut self) -> Option<K> {
        let (age, hash) = self.by_age.pop_first()?;
        let entry = self
            .entries
            .find_entry(hash, |entry| entry.age == age)
            .ok()?;
        Some(entry.remove().0.key)
    }
}

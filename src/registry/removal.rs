//! Removing slots.

use std::hash::Hash;
use std::mem::needs_drop;
use std::ptr;
use std::sync::Arc;

use super::last_close::LastCloses;
use super::portion::Portion;
use super::shared::{Bucket, Shared, Slot, Table};
use crate::lifecycle::{Exit, Leaving, Membership, Name, Place};
use crate::sync::MutexGuard;

impl<K, V> Membership for Slot<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn registry(&self) -> *const () {
        Arc::as_ptr(&self.registry).cast()
    }

    fn keep_registry(&self) -> Arc<dyn Send + Sync> {
        Arc::clone(&self.registry) as _
    }

    fn place(&self) -> Place {
        Place {
            hash: self.hash,
            order: self.order,
        }
    }

    fn leave(&self, exit: Exit) {
        if let Some(last_closes) = &self.registry.last_closes {
            self.record_close(last_closes);
        }
        self.registry.remove(self.place(), exit);
    }

    fn leave_together(&self, leaving: &mut Leaving, contain: &dyn Fn(usize, &mut dyn FnMut())) {
        self.registry.remove_each(leaving, contain);
    }

    fn key(&self) -> Option<(Name, String)> {
        let named = self.registry.named.as_ref()?;
        Some((named.name.clone(), (named.write)(&self.key)))
    }

    fn bring_back(&self) {
        let mut table = self.registry.table(self.hash);
        // `None` if the connection has closed and been unwound.
        let is_it = |bucket: &Bucket<K, V>| bucket.slot(self.order).is_some();
        if let Some(mut bucket) = table.find(self.hash, is_it) {
            bucket.get_mut().bring_back(self.order);
        }
    }
}

impl<K: Hash + Eq, V> Slot<K, V> {
    /// Records how the connection closed before its slot is removed, so that a reader which does
    /// not find the slot finds the record.
    #[inline(never)]
    fn record_close(&self, last_closes: &LastCloses<K>) {
        if let Some(closed) = self.closed() {
            let lifecycle = self.handle.lifecycle();
            lifecycle.catch_panic(|| last_closes.record(self.hash, &self.key, closed));
        }
    }
}

impl<K, V> Shared<K, V> {
    fn remove(&self, place: Place, exit: Exit) {
        let Place { hash, order } = place;
        let mut table = self.table(hash);
        if let Some(removed) = table.remove_sole(hash, order) {
            drop(table);
            // After the lock is released (I8).
            drop(removed);
        } else {
            self.remove_from_rest(table, place, exit);
        }
    }

    fn remove_each(&self, leaving: &mut Leaving, contain: &dyn Fn(usize, &mut dyn FnMut())) {
        self.sort_by_table(leaving);
        let Leaving { slots, sorted, .. } = leaving;
        let leave_alone = |slot: &mut Option<Arc<dyn Membership>>, index: usize| {
            contain(index, &mut || {
                if let Some(slot) = slot.take() {
                    slot.leave(Exit::Settling { clean: true });
                }
            });
        };
        if self.last_closes.is_some() {
            let each = sorted.iter();
            return each.for_each(|(_, index)| leave_alone(&mut slots[*index], *index));
        }
        let (mut removed, mut others) = (Vec::new(), Vec::new());
        let number = |(place, _): &(Place, usize)| self.table_number(place.hash);
        for of_table in sorted.chunk_by(|one, next| number(one) == number(next)) {
            for portion in of_table.chunks(Portion::PLACES) {
                #[cfg(test)]
                super::portion::largest::record(portion.len());
                let mut table = self.tables.lock(number(&portion[0]));
                let of_portion = portion.iter().map(|(place, _)| *place);
                removed.reserve(table.count_sole(of_portion));
                for &(Place { hash, order }, index) in portion {
                    match table.remove_sole(hash, order) {
                        Some(slot) => removed.push((index, slot)),
                        None => others.push(index),
                    }
                }
                drop(table);
                // After the lock is released (I8).
                for (index, slot) in removed.drain(..) {
                    // `slot` is dropped after it, so this drops neither key nor value.
                    slots[index] = None;
                    drop_contained(slot, |drop| contain(index, drop));
                }
                for index in others.drain(..) {
                    leave_alone(&mut slots[index], index);
                }
            }
        }
    }

    /// [Removes](Self::remove) a slot of a bucket that has others, or hooks.
    #[inline(never)]
    fn remove_from_rest(&self, mut table: MutexGuard<'_, Table<K, V>>, place: Place, exit: Exit) {
        let Place { hash, order } = place;
        let Some(mut entry) = table.find(hash, |bucket| bucket.slot(order).is_some()) else {
            return;
        };
        let bucket = entry.get_mut();
        let removed = bucket.remove(order, exit);
        let hooks = self.hooks.as_ref().zip(removed.as_ref());
        let called_for = hooks.filter(|(_, slot)| bucket.begin_calls(slot));
        if bucket.is_vacant() {
            entry.remove();
            table.shrink_if_empty();
        }
        table.removed(order);
        drop(table);
        if let Some((hooks, slot)) = called_for {
            self.call_hooks(hooks, hash, slot);
        }
    }

    /// Fills in the places of the slots that are in this registry, those of one table side by side.
    fn sort_by_table(&self, leaving: &mut Leaving) {
        let registry = ptr::from_ref(self).cast();
        let number = |(place, _): &(Place, usize)| self.table_number(place.hash);
        // How many there are in each table, then where the next one of each goes.
        let mut next = vec![0; self.tables.count()];
        leaving.places.clear();
        for (index, slot) in leaving.slots.iter().enumerate() {
            if let Some(slot) = slot.as_ref().filter(|slot| slot.registry() == registry) {
                let place = (slot.place(), index);
                next[number(&place)] += 1;
                leaving.places.push(place);
            }
        }
        let mut begin = 0;
        for next in &mut next {
            begin += std::mem::replace(next, begin);
        }
        leaving.sorted.clone_from(&leaving.places);
        for place in &leaving.places {
            let next = &mut next[number(place)];
            leaving.sorted[*next] = *place;
            *next += 1;
        }
    }
}

/// Drops a slot within `contain`, unless its drop runs no code of the user.
fn drop_contained<K, V>(slot: Arc<Slot<K, V>>, contain: impl FnOnce(&mut dyn FnMut())) {
    if needs_drop::<K>() || needs_drop::<V>() {
        let mut slot = Some(slot);
        contain(&mut || drop(slot.take()));
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use crate::connection::Live;
    use crate::error::KeyError;
    use crate::registry::portion::{Portion, largest};
    use crate::registry::{Conflict, Registry};
    use crate::runtime::{BoxFuture, Runtime};
    use crate::scope::Scope;
    use crate::state::CloseReason;

    /// All keys are in one table, each at a place of its own.
    #[derive(Default)]
    struct OneTable(u64);

    impl Hasher for OneTable {
        fn finish(&self) -> u64 {
            self.0 & u64::from(u32::MAX)
        }

        fn write(&mut self, _: &[u8]) {
            unreachable!("the keys are numbers");
        }

        fn write_usize(&mut self, key: usize) {
            self.0 = key as u64;
        }
    }

    #[test]
    fn i10_no_more_than_a_portion_is_removed_under_one_lock() {
        const MANY: usize = 3 * Portion::PLACES;
        let hasher = BuildHasherDefault::<OneTable>::default();
        let (scope, registry) = (
            Scope::new(),
            Registry::with_hasher(Conflict::Reject, hasher),
        );
        let connect = |key: usize| -> Live {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.join(&registry, key, ()).unwrap();
            setup.go_live().unwrap()
        };
        let lives: Vec<_> = (0..MANY).map(connect).collect();
        largest::take();
        assert_eq!(scope.close_all(CloseReason::Shutdown), MANY);
        assert_eq!(largest::take(), (Portion::PLACES, 3));
        assert!(registry.is_empty());
        drop(lives);
    }

    struct Standstill(Instant);

    impl Runtime for Standstill {
        fn spawn(&self, _: BoxFuture<()>) {}

        fn now(&self) -> Instant {
            self.0
        }

        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn the_time_of_a_reservation_goes_with_its_slot() {
        let runtime = Arc::new(Standstill(Instant::now()));
        let scope = Scope::builder().runtime(runtime).build();
        let registry = Registry::builder(Conflict::share(2))
            .min_hold(Duration::from_secs(1))
            .build();
        let connect = |key: usize| {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.join(&registry, key, ()).map(|()| setup)
        };
        let times = || -> usize {
            let tables = registry.shared.tables.lock_each();
            tables.map(|table| table.times()).sum()
        };
        let mut open: Vec<_> = [1, 1, 2, 3]
            .into_iter()
            .map(|it| connect(it).unwrap())
            .collect();
        assert_eq!(connect(1).unwrap_err(), KeyError::Full);
        assert_eq!(times(), 4);
        // One beside another under its key, then one by itself, then together.
        drop(open.remove(0));
        assert_eq!(times(), 3);
        drop(open.remove(0));
        assert_eq!(times(), 2);
        let open: Vec<_> = open.into_iter().map(|it| it.go_live().unwrap()).collect();
        scope.close_all(CloseReason::Shutdown);
        drop(open);
        assert_eq!(times(), 0);
    }
}

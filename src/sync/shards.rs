//! State split over several locks, so that threads seldom contend for one.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::sync::{Mutex, MutexGuard, lock};

/// A power of two of locks with a `T` under each. The caller chooses the shard by a
/// number, of which the low bits count.
pub(crate) struct Shards<T>(Box<[Shard<T>]>);

/// Aligned to cache lines of its own: locks on one line contend as one lock.
#[repr(align(128))]
struct Shard<T>(Mutex<T>);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        let shard = || Shard(Mutex::new(T::default()));
        Self((0..count()).map(|_| shard()).collect())
    }
}

impl<T> Shards<T> {
    pub(crate) fn lock(&self, number: usize) -> MutexGuard<'_, T> {
        lock(&self.0[self.index_of(number)].0)
    }

    /// The number of the shard that this number chooses, less than [`count`](Self::count).
    #[inline]
    pub(crate) fn index_of(&self, number: usize) -> usize {
        number & (self.0.len() - 1)
    }

    /// Locks the shards one after the other, in the order of their numbers.
    pub(crate) fn lock_each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(|shard| lock(&shard.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();

    if cfg!(hangup_loom) {
        // The smallest number that exercises more than one shard.
        return 2;
    }
    *COUNT.get_or_init(|| enough_for(available_parallelism().map_or(1, usize::from)))
}

/// Enough that two threads on two cores almost never contend, and threads on many cores
/// seldom do. More shards cost memory and gain nothing.
fn enough_for(cores: usize) -> usize {
    (8 * cores).next_power_of_two().max(32)
}

#[cfg(test)]
mod tests {
    use super::enough_for;

    #[test]
    fn there_are_several_for_each_core_and_never_only_a_few() {
        let enough = [1, 4, 5, 8, 64].map(enough_for);
        assert_eq!(enough, [32, 32, 64, 64, 512]);
    }
}

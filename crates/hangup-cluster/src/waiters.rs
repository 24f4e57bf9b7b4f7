//! Tasks that wait for the same event.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::contain::contain;

/// Tasks that wait for the same event. Each registers first and looks at what it waits for then;
/// what changes that wakes them afterwards. So no wake is lost.
///
/// Wakers are cloned, woken and dropped with no lock held (I8).
#[derive(Default)]
pub(crate) struct Waiters(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    latest: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// The place of one task, until it is dropped.
pub(crate) struct Place {
    waiting: Arc<Mutex<Waiting>>,
    /// `None` until it has registered.
    id: Option<u64>,
}

impl Waiters {
    /// A place for one task.
    pub(crate) fn place(&self) -> Place {
        Place {
            waiting: Arc::clone(&self.0),
            id: None,
        }
    }

    /// Wakes those who have registered since they were woken. A panic of one does not stop the
    /// others.
    pub(crate) fn wake_all(&self) {
        let woken = mem::take(&mut lock(&self.0).wakers);
        for waker in woken.into_values() {
            contain(|| waker.wake());
        }
    }
}

impl Place {
    /// Wakes the task of `waker` when the event happens. The caller looks once more whether it has
    /// happened already.
    pub(crate) fn register(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let replaced = {
            let mut waiting = lock(&self.waiting);
            let id = *self.id.get_or_insert_with(|| {
                waiting.latest += 1;
                waiting.latest
            });
            waiting.wakers.insert(id, waker)
        };
        drop(replaced);
    }

    /// As if it had never registered.
    pub(crate) fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            let left = lock(&self.waiting).wakers.remove(&id);
            drop(left);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::{Place, Waiters};

    /// Counts how often it is woken, and panics if it is to.
    #[derive(Default)]
    struct Counts {
        woken: AtomicUsize,
        panics: bool,
    }

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a waker that panics");
        }
    }

    fn register(place: &mut Place, panics: bool) -> Arc<Counts> {
        let woken = AtomicUsize::new(0);
        let counts = Arc::new(Counts { woken, panics });
        place.register(&Waker::from(Arc::clone(&counts)));
        counts
    }

    #[test]
    fn each_is_woken_once_until_it_registers_again_also_after_a_panic() {
        let waiters = Waiters::default();
        let mut places = [waiters.place(), waiters.place(), waiters.place()];
        let replaced = register(&mut places[0], false);
        let counts: Vec<_> = (0..)
            .zip(&mut places)
            .map(|(index, place)| register(place, index == 1))
            .collect();
        waiters.wake_all();
        waiters.wake_all();
        let woken = |counts: &Counts| counts.woken.load(Ordering::Relaxed);
        assert_eq!(woken(&replaced), 0);
        assert!(counts.iter().all(|counts| woken(counts) == 1));
    }

    #[test]
    fn one_that_has_gone_is_not_woken_and_its_waker_is_dropped() {
        let waiters = Waiters::default();
        let (mut left, mut dropped) = (waiters.place(), waiters.place());
        let counts = [register(&mut left, false), register(&mut dropped, false)];
        left.leave();
        drop(dropped);
        waiters.wake_all();
        for counts in counts {
            assert_eq!(counts.woken.load(Ordering::Relaxed), 0);
            assert_eq!(Arc::strong_count(&counts), 1);
        }
    }
}

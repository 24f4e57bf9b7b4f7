//! Tasks that wait for the same event.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;

/// Tasks that wait for the same event.
#[derive(Default)]
pub(crate) struct Waiters {
    places: Mutex<Vec<Weak<Place>>>,
}

/// The place of one task, until it is dropped.
#[derive(Default)]
pub(crate) struct Place {
    waker: Mutex<Option<Waker>>,
}

impl Waiters {
    /// A place for one task.
    pub(crate) fn place(&self) -> Arc<Place> {
        let place = Arc::new(Place::default());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    /// Wakes those who have registered since they were woken.
    pub(crate) fn wake_all(&self) {
        let places = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.clone()
        };
        for place in places.iter().filter_map(Weak::upgrade) {
            place.replace(None).into_iter().for_each(Waker::wake);
        }
    }
}

impl Place {
    /// Wakes the task of `waker` when the event happens. The caller looks once more whether it has
    /// happened already.
    pub(crate) fn register(&self, waker: &Waker) {
        // The clone and the drop are code of the executor: not under the lock (I8).
        drop(self.replace(Some(waker.clone())));
    }

    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut place = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, waker)
    }
}

//! How many asynchronous undos run at once.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::sync::baton::Baton;
use crate::sync::{Mutex, lock};

/// The slots of the undos that run, and the connections whose undo waits for one, in the order
/// in which they came.
///
/// Whenever the lock is free and no thread holds the baton, no slot is free or no connection
/// waits.
pub(crate) struct UndoSlots<M>(Mutex<Slots<M>>);

struct Slots<M> {
    free: usize,
    /// Weak, since one whose undo was abandoned stays in here until its turn.
    waiting: VecDeque<Weak<M>>,
    /// Of the thread that gives free slots to those that wait: what an undo that ends at once
    /// frees is given on by the same loop, and not by a call within a call.
    baton: Baton,
}

impl<M> UndoSlots<M> {
    pub(crate) fn new(max: usize) -> Self {
        Self(Mutex::new(Slots {
            free: max,
            waiting: VecDeque::new(),
            baton: Baton::default(),
        }))
    }

    /// Takes a slot; `false` if the connection waits for one now.
    #[must_use]
    pub(crate) fn take(&self, connection: &Arc<M>) -> bool {
        let mut slots = lock(&self.0);
        if slots.free > 0 && slots.waiting.is_empty() {
            slots.free -= 1;
            return true;
        }
        slots.waiting.push_back(Arc::downgrade(connection));
        false
    }

    /// Gives a slot back. `begin` is called with each connection that has a slot now.
    pub(crate) fn give_back(&self, begin: impl Fn(Arc<M>)) {
        let mut slots = lock(&self.0);
        slots.free += 1;
        if !slots.baton.take(|| ()) {
            return;
        }
        while let Some(next) = slots.next() {
            drop(slots);
            match next.upgrade() {
                Some(next) => begin(next),
                None => lock(&self.0).free += 1,
            }
            slots = lock(&self.0);
        }
    }
}

impl<M> Slots<M> {
    fn next(&mut self) -> Option<Weak<M>> {
        let due = match self.free {
            0 => None,
            _ => self.waiting.pop_front(),
        };
        let next = self.baton.next(due).ok()?;
        self.free -= 1;
        // A burst leaves no memory behind.
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(next)
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::UndoSlots;

    #[test]
    fn a_slot_goes_to_those_that_wait_in_their_order() {
        let slots = UndoSlots::new(2);
        let [a, b, c, d] = [0, 1, 2, 3].map(Arc::new);
        assert!(slots.take(&a) && slots.take(&b));
        assert!(!slots.take(&c) && !slots.take(&d));
        let begun = RefCell::new(Vec::new());
        let begin = |next: Arc<i32>| begun.borrow_mut().push(*next);
        slots.give_back(begin);
        assert_eq!(*begun.borrow(), [2]);
        // One that is gone uses up no slot.
        drop(d);
        slots.give_back(begin);
        slots.give_back(begin);
        assert_eq!(*begun.borrow(), [2]);
        assert!(slots.take(&a) && slots.take(&b));
        assert!(!slots.take(&c));
    }

    /// The stack stays flat.
    #[test]
    fn undos_that_end_at_once_begin_in_one_loop() {
        let slots = Arc::new(UndoSlots::new(1));
        let connection = Arc::new(());
        assert!(slots.take(&connection));
        for _ in 1..100_000 {
            assert!(!slots.take(&connection));
        }
        let begun = RefCell::new(0);
        slots.give_back(|_| {
            *begun.borrow_mut() += 1;
            slots.give_back(|_| unreachable!("the loop further up goes on"));
        });
        assert_eq!(*begun.borrow(), 99_999);
    }
}

//! The listeners of the inboxes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// The most hints that wait for a listener. Further ones are lost.
const WAITING: usize = 1 << 16;

#[derive(Default)]
pub(super) struct Inboxes {
    listeners: BTreeMap<(String, u64), Listener>,
}

struct Listener {
    hints: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
    /// Whether its node is cut off.
    is_cut: Arc<AtomicBool>,
}

/// What a listener has.
pub(super) enum Heard {
    Hint(Vec<u8>),
    Nothing,
    /// It listens no more.
    End,
}

impl Inboxes {
    pub(super) fn listen(&mut self, inbox: String, listener: u64, is_cut: Arc<AtomicBool>) {
        let hints = VecDeque::new();
        let waker = None;
        let heard = Listener {
            hints,
            waker,
            is_cut,
        };
        self.listeners.insert((inbox, listener), heard);
    }

    pub(super) fn deliver(&mut self, inbox: &str, hint: &[u8], woken: &mut Vec<Waker>) {
        let of_inbox = (inbox.to_owned(), 0)..=(inbox.to_owned(), u64::MAX);
        for (_, listener) in self.listeners.range_mut(of_inbox) {
            if !listener.is_cut.load(Ordering::Acquire) && listener.hints.len() < WAITING {
                listener.hints.push_back(hint.to_owned());
                woken.extend(listener.waker.take());
            }
        }
    }

    /// The next hint. If there is none, `waker` is kept for it and exchanged for the one before,
    /// which the caller drops without a lock.
    pub(super) fn next(&mut self, key: &(String, u64), waker: &mut Option<Waker>) -> Heard {
        let Some(listener) = self.listeners.get_mut(key) else {
            return Heard::End;
        };
        match listener.hints.pop_front() {
            Some(hint) => Heard::Hint(hint),
            None => {
                std::mem::swap(&mut listener.waker, waker);
                Heard::Nothing
            }
        }
    }

    /// Ends one listener, and returns its waker.
    pub(super) fn leave(&mut self, key: &(String, u64)) -> Option<Waker> {
        self.listeners.remove(key)?.waker
    }

    /// Ends all listeners.
    pub(super) fn end_all(&mut self, woken: &mut Vec<Waker>) {
        let listeners = std::mem::take(&mut self.listeners);
        woken.extend(listeners.into_values().filter_map(|each| each.waker));
    }
}

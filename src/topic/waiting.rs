//! The wakers of a topic's subscribers, in slots.
//!
//! A subscriber keeps its waker in a slot, where it stays: to wait is to set a bit, and a
//! publisher wakes by reference. Nothing is cloned and nothing is allocated for an event.
//!
//! A subscriber waits since a version of the topic, that of its last look into the log. It is
//! due once the version has gone on, and only then: so as long as the version is the one that
//! it has seen, it still waits, and need not look.
//!
//! No waker is called under a lock (I8). So the thread that wakes takes the wakers of one chunk
//! out, wakes those that are due, and puts them back. A subscriber of that chunk that comes
//! with another waker just then leaves it in `moved`.

use std::collections::BTreeSet;
use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use crate::panic::catch_panic;
use crate::shrink;

/// The most chunks that are looked at under one lock (I10).
const PORTION: usize = 256;

#[derive(Default)]
pub(super) struct Waiting {
    chunks: Vec<Chunk>,
    /// The chunks with a slot that is free.
    vacant: BTreeSet<usize>,
}

/// As many slots as a word has bits.
#[derive(Default)]
struct Chunk {
    /// A bit for each slot that has a subscriber.
    taken: u64,
    /// A bit for each slot that waits since the version `since`.
    waiting: u64,
    since: u64,
    /// A bit for each slot that waits since an earlier version.
    due: u64,
    /// Empty while a thread wakes this chunk.
    wakers: Vec<Option<Waker>>,
    /// A thread wakes this chunk.
    is_out: bool,
    /// New wakers for slots whose chunk is out.
    moved: Vec<(u32, Waker)>,
}

/// The slot of one subscriber: its index, and one more, so that an `Option` of it is no larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotKey(NonZeroU32);

impl SlotKey {
    fn new(chunk: usize, bit: u32) -> Self {
        let chunk = u32::try_from(chunk).ok();
        let first = chunk.and_then(|chunk| chunk.checked_mul(u64::BITS));
        let key = first.and_then(|first| NonZeroU32::MIN.checked_add(first + bit));
        Self(key.expect("fewer than 2^32 subscribers"))
    }

    fn chunk(self) -> usize {
        (self.index() / u64::BITS) as usize
    }

    fn bit(self) -> u32 {
        self.index() % u64::BITS
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }

    fn mask(self) -> u64 {
        1 << self.bit()
    }
}

impl Waiting {
    /// A slot for a new subscriber, with its waker. It does not wait yet.
    pub(super) fn insert(&mut self, waker: Waker) -> SlotKey {
        let index = self.vacant.first().copied().unwrap_or(self.chunks.len());
        if index == self.chunks.len() {
            self.chunks.push(Chunk::default());
            self.vacant.insert(index);
        }
        let chunk = &mut self.chunks[index];
        let bit = chunk.taken.trailing_ones();
        chunk.taken |= 1 << bit;
        if chunk.taken == u64::MAX {
            self.vacant.remove(&index);
        }
        let replaced = chunk.store(bit, waker);
        debug_assert!(
            replaced.is_none(),
            "a slot that was given back has no waker"
        );
        SlotKey::new(index, bit)
    }

    /// Replaces the waker of a slot. Returns the old one, to be dropped when no lock is held
    /// (I8).
    pub(super) fn replace(&mut self, key: SlotKey, waker: Waker) -> Option<Waker> {
        self.chunks[key.chunk()].store(key.bit(), waker)
    }

    /// The subscriber has seen all up to `version`, and waits.
    #[inline]
    pub(super) fn wait(&mut self, key: SlotKey, version: u64) {
        let chunk = &mut self.chunks[key.chunk()];
        chunk.advance(version);
        chunk.due &= !key.mask();
        chunk.waiting |= key.mask();
    }

    /// Gives a slot back. Returns what is to be dropped when no lock is held (I8).
    pub(super) fn remove(&mut self, key: SlotKey) -> impl Sized + use<> {
        let index = key.chunk();
        let chunk = &mut self.chunks[index];
        let waker = chunk.remove(key);
        self.vacant.insert(index);
        for _ in 0..PORTION {
            match self.chunks.last() {
                Some(last) if last.is_unused() => {
                    self.chunks.pop();
                    self.vacant.remove(&self.chunks.len());
                }
                Some(_) | None => break,
            }
        }
        if let Some(target) = shrink::target(self.chunks.len(), self.chunks.capacity()) {
            self.chunks.shrink_to(target);
        }
        waker
    }

    /// Takes out the next chunk, from `next` on, with a subscriber that is due at `version`.
    #[inline]
    pub(super) fn take_out(&mut self, next: &mut usize, version: u64) -> TakeOut {
        let end = self.chunks.len().min(next.saturating_add(PORTION));
        while *next < end {
            let chunk = &mut self.chunks[*next];
            chunk.advance(version);
            let index = *next;
            *next += 1;
            if chunk.due != 0 {
                chunk.is_out = true;
                return TakeOut::Chunk(Out {
                    index,
                    due: mem::take(&mut chunk.due),
                    taken: chunk.taken,
                    wakers: mem::take(&mut chunk.wakers),
                });
            }
        }
        match end == self.chunks.len() {
            true => TakeOut::End,
            false => TakeOut::GoOn,
        }
    }

    /// Puts a chunk back. Returns the wakers that have been replaced, to be dropped when no
    /// lock is held (I8).
    #[inline]
    pub(super) fn put_back(&mut self, out: Out) -> Vec<Waker> {
        let chunk = &mut self.chunks[out.index];
        chunk.is_out = false;
        chunk.wakers = out.wakers;
        let mut replaced = Vec::new();
        // The slots that were given back since.
        let mut free = out.taken & !chunk.taken;
        while free != 0 {
            let bit = free.trailing_zeros();
            free &= free - 1;
            replaced.extend(chunk.wakers[bit as usize].take());
        }
        if chunk.moved.is_empty() {
            return replaced;
        }
        for (bit, waker) in mem::take(&mut chunk.moved) {
            replaced.extend(chunk.store(bit, waker));
        }
        replaced
    }
}

impl Chunk {
    /// Those who wait since an earlier version are due.
    #[inline]
    fn advance(&mut self, version: u64) {
        if self.since != version {
            self.since = version;
            self.due |= mem::take(&mut self.waiting);
        }
    }

    fn store(&mut self, bit: u32, waker: Waker) -> Option<Waker> {
        if self.is_out {
            return match self.moved.iter_mut().find(|moved| moved.0 == bit) {
                Some((_, moved)) => Some(mem::replace(moved, waker)),
                None => {
                    self.moved.push((bit, waker));
                    None
                }
            };
        }
        let index = bit as usize;
        if index >= self.wakers.len() {
            self.wakers.resize_with(index + 1, || None);
        }
        self.wakers[index].replace(waker)
    }

    fn remove(&mut self, key: SlotKey) -> [Option<Waker>; 2] {
        self.taken &= !key.mask();
        self.waiting &= !key.mask();
        self.due &= !key.mask();
        let waker = self.wakers.get_mut(key.bit() as usize);
        let waker = waker.and_then(Option::take);
        let moved = self.moved.iter().position(|moved| moved.0 == key.bit());
        let moved = moved.map(|index| self.moved.swap_remove(index).1);
        if self.is_unused() {
            self.wakers = Vec::new();
        }
        [waker, moved]
    }

    /// It may be removed.
    fn is_unused(&self) -> bool {
        self.taken == 0 && !self.is_out
    }
}

/// What [`Waiting::take_out`] found.
#[must_use]
pub(super) enum TakeOut {
    Chunk(Out),
    /// No subscriber from here on is due.
    End,
    /// The portion is used up.
    GoOn,
}

/// A chunk that has been taken out: its wakers, and a bit for each that is due.
#[must_use]
pub(super) struct Out {
    index: usize,
    due: u64,
    /// The slots that had a subscriber then.
    taken: u64,
    wakers: Vec<Option<Waker>>,
}

impl Out {
    /// How many are due.
    pub(super) fn due(&self) -> usize {
        self.due.count_ones() as usize
    }

    /// Wakes those that are due. A panic of one does not stop the others.
    pub(super) fn wake(&mut self) {
        while self.due != 0 {
            let (due, wakers) = (&mut self.due, &self.wakers);
            let _: Result<(), String> = catch_panic(|| {
                while *due != 0 {
                    let bit = due.trailing_zeros();
                    *due &= *due - 1;
                    if let Some(Some(waker)) = wakers.get(bit as usize) {
                        waker.wake_by_ref();
                    }
                }
            });
        }
    }
}

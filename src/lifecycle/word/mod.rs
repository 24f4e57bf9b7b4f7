//! The one atomic word of a connection, and the legal moves on it (I1).
//!
//! `snapshot` lists the bits; this file has the transitions.
//!
//! `IN_STEP` decides which thread runs the undo (I2): the closer if the owner is not in a
//! step, else the thread that ends the step. Both make a read-modify-write on this word,
//! so exactly one of them sees the other's bit and gets the duty.
//!
//! `HAS_PARTS` lets a close skip the mutex if nothing was ever stored under it. The close
//! reads the bit in the read-modify-write that closes; a later `mark_has_parts` sees
//! CLOSED and reports `Missed`. `SETTLE_WAITER` does the same for the wakers that wait for
//! SETTLED.
//!
//! ORDERING: every move is one read-modify-write, `AcqRel`, and every load is `Acquire`.
//! That pairs each thread that sees a state with the thread that entered it: a thread that
//! sees `Live` sees the set-up, and a thread that sees `SETTLED` sees every undo.

mod snapshot;

use crate::state::{CloseReason, Closed};
use crate::sync::{AtomicU32, Ordering};

use snapshot::{
    HAS_PARTS, IN_STEP, LIVE, PENDING, REGISTERING, SETTLE_WAITER, SETTLED, STALL_WATCH,
    encode_reason,
};

pub(crate) use snapshot::Snapshot;

pub(crate) struct Word(AtomicU32);

/// What the winner of a close must now do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// Run the undo.
    Unwind { has_parts: bool },
    /// Only wake the owner: it is in a step, stops that first, and then runs the undo.
    DeferToStep,
}

/// What the owner must do after its step.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStepEnd {
    /// Continue the set-up.
    Continue,
    /// Run the undo: the connection closed during the step.
    Unwind { closed: Closed, has_parts: bool },
}

/// What must be done when the owner is gone.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRelease {
    /// Wake, and run the undo: the connection was open until now, or had closed during a
    /// step that never ended.
    Unwind { has_parts: bool },
    /// The connection had closed, and its closer runs the undo.
    Nothing,
}

/// What `mark_has_parts` tells a caller that is about to store something under the mutex.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// The closer will look under the mutex, or has looked: see `Inner::unwound`.
    Seen,
    /// The connection closed while the bit was clear, so no thread will look: the caller
    /// undoes it itself.
    Missed,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(PENDING))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// The only loop that writes the state: one read-modify-write, or none if `next`
    /// refuses the move. Returns the word before the move, or the word that was refused.
    #[inline]
    fn update(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Result<Snapshot, Snapshot> {
        let mut current = self.load();
        loop {
            let Some(next) = next(current) else {
                return Err(current);
            };
            match self.0.compare_exchange_weak(
                current.0,
                next.0,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(current),
                Err(seen) => current = Snapshot(seen),
            }
        }
    }

    /// A move that only a close can prevent.
    #[inline]
    fn move_on(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Result<Snapshot, Closed> {
        self.update(next).map_err(Snapshot::expect_closed)
    }

    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.move_on(|word| word.entered(REGISTERING)).map(drop)
    }

    /// Clears `IN_STEP` as well: the owner makes this call, so no step of it is in flight,
    /// but a forgotten one may have left the bit behind.
    pub(crate) fn go_live(&self) -> Result<(), Closed> {
        self.move_on(|word| Some(word.entered(LIVE)?.without_step()))
            .map(drop)
    }

    pub(crate) fn close(&self, reason: CloseReason) -> Result<OnClose, Closed> {
        let reason = encode_reason(reason);
        let before = self.move_on(|word| word.closed_as(reason))?;
        Ok(if before.in_step() {
            OnClose::DeferToStep
        } else {
            OnClose::Unwind {
                has_parts: before.has_parts(),
            }
        })
    }

    /// The owner starts a step, unless the connection has closed.
    pub(crate) fn begin_step(&self) -> Result<(), Closed> {
        let begun = |word: Snapshot| (!word.is_closed()).then_some(Snapshot(word.0 | IN_STEP));
        self.move_on(begun).map(drop)
    }

    /// The owner's step is over: completed, or stopped and dropped.
    pub(crate) fn end_step(&self) -> OnStepEnd {
        let before = Snapshot(self.0.fetch_and(!IN_STEP, Ordering::AcqRel));
        match before.closed() {
            None => OnStepEnd::Continue,
            Some(closed) => OnStepEnd::Unwind {
                closed,
                has_parts: before.has_parts(),
            },
        }
    }

    /// The owner is gone, and with it any step that it forgot to end.
    pub(crate) fn release(&self, reason: CloseReason) -> OnRelease {
        let reason = encode_reason(reason);
        let release = |word: Snapshot| match word.closed_as(reason) {
            Some(closed) => Some(closed.without_step()),
            None => word.in_step().then_some(word.without_step()),
        };
        match self.update(release) {
            Ok(before) => OnRelease::Unwind {
                has_parts: before.has_parts(),
            },
            Err(_) => OnRelease::Nothing,
        }
    }

    /// Everything is undone. Only the thread with the duty to unwind calls this. Returns
    /// whether a waker waits for it under the mutex.
    #[must_use]
    pub(crate) fn settle(&self) -> bool {
        // ORDERING: Release suffices, because the thread with the duty to unwind has
        // acquired all that it reads when it got that duty.
        let before = Snapshot(self.0.fetch_or(SETTLED, Ordering::Release));
        debug_assert!(before.closed().is_some() && !before.in_step() && !before.settled());
        before.has_settle_waiter()
    }

    /// The caller holds the mutex and is about to store something under it.
    pub(crate) fn mark_has_parts(&self) -> Store {
        // ORDERING: Relaxed, because the mutex hands over what is stored under it.
        if self.0.load(Ordering::Relaxed) & HAS_PARTS != 0 {
            return Store::Seen;
        }
        let before = Snapshot(self.0.fetch_or(HAS_PARTS, Ordering::Relaxed));
        if before.is_closed() && !before.in_step() {
            Store::Missed
        } else {
            Store::Seen
        }
    }

    /// A stall deadline watches the reader from now on, so a poll takes the slow path.
    pub(crate) fn set_stall_watch(&self) {
        // ORDERING: Relaxed, because the task that polls the source makes this call.
        self.0.fetch_or(STALL_WATCH, Ordering::Relaxed);
    }

    /// The caller holds the mutex and has stored a waker there that waits for SETTLED.
    pub(crate) fn set_settle_waiter(&self) {
        // ORDERING: Relaxed, because the mutex hands over the waker.
        self.0.fetch_or(SETTLE_WAITER, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::collections::HashSet;

    use super::{
        HAS_PARTS, IN_STEP, OnClose, OnRelease, OnStepEnd, SETTLE_WAITER, SETTLED, STALL_WATCH,
        Snapshot, Store, Word,
    };
    use crate::state::{CloseReason, Closed, EVERY_REASON, Event, Phase, State, TransitionError};
    use crate::sync::AtomicU32;

    const FLAGS: u32 = IN_STEP | SETTLED | HAS_PARTS | SETTLE_WAITER | STALL_WATCH;
    const ABORTED: CloseReason = CloseReason::Aborted;
    const LARGE: CloseReason = CloseReason::App(u16::MAX);

    type Move = fn(&Word) -> Result<(), Closed>;

    fn word(bits: u32) -> Word {
        Word(AtomicU32::new(bits))
    }

    /// Every word that the moves reach from a pending one.
    fn reachable() -> HashSet<u32> {
        let mut reached = HashSet::from([Word::new().load().0]);
        let mut new: Vec<u32> = reached.iter().copied().collect();
        while let Some(bits) = new.pop() {
            let before = Snapshot(bits);
            let open = before.closed().is_none();
            let registering = before.state() == State::Registering;
            let mut moves: Vec<&dyn Fn(&Word)> = Vec::new();
            moves.push(&|word| _ = word.close(ABORTED));
            moves.push(&|word| _ = word.close(LARGE));
            // The owner is in one place: in a step, it ends the step or is gone.
            if !open || before.state() == State::Pending {
                moves.push(&|word| _ = word.register());
            }
            if registering || !open {
                moves.push(&|word| _ = word.begin_step());
                moves.push(&|word| _ = word.go_live());
            }
            if before.in_step() {
                moves.push(&|word| _ = word.end_step());
            }
            moves.push(&|word| _ = word.release(LARGE));
            if !open && !before.in_step() && !before.settled() {
                moves.push(&|word| _ = word.settle());
            }
            // Any thread makes these moves at any time.
            moves.push(&|word| _ = word.mark_has_parts());
            moves.push(&|word| word.set_settle_waiter());
            moves.push(&|word| word.set_stall_watch());
            for make in moves {
                let word = word(bits);
                make(&word);
                let next = word.load().0;
                if reached.insert(next) {
                    new.push(next);
                }
            }
        }
        reached
    }

    #[test]
    fn a_word_is_a_state_and_its_flags() {
        let reasons = [ABORTED, LARGE];
        let ends = [Phase::Pending, Phase::Registering, Phase::Live].map(|from| {
            let ends = reasons.map(|reason| State::Closed(Closed { reason, from }));
            ends.map(|state| (state, from))
        });
        let mut expected: HashSet<(State, bool, bool)> = HashSet::from([
            (State::Pending, false, false),
            (State::Registering, false, false),
            (State::Registering, true, false),
            (State::Live, false, false),
        ]);
        for (state, from) in ends.into_iter().flatten() {
            expected.extend([(state, false, false), (state, false, true)]);
            // The owner is in a step, or has forgotten one.
            if from == Phase::Registering {
                expected.insert((state, true, false));
            }
        }
        let reached = reachable();
        let seen = reached.iter().copied().map(Snapshot);
        let seen: HashSet<_> = seen
            .map(|it| (it.state(), it.in_step(), it.settled()))
            .collect();
        assert_eq!(seen, expected);
        // Each state comes with and without each of the three free flags, and no two words
        // say the same.
        assert_eq!(8 * seen.len(), reached.len());
        for flag in [HAS_PARTS, SETTLE_WAITER, STALL_WATCH] {
            assert!(reached.iter().all(|bits| reached.contains(&(bits ^ flag))));
        }
    }

    #[test]
    fn every_move_is_one_of_the_machine() {
        for bits in reachable() {
            let before = Snapshot(bits);
            let has_parts = before.has_parts();
            let moves: [(Event, Move); 4] = [
                (Event::Register, Word::register),
                (Event::GoLive, Word::go_live),
                (Event::Close(ABORTED), |word| word.close(ABORTED).map(drop)),
                (Event::Close(LARGE), |word| word.close(LARGE).map(drop)),
            ];
            for (event, make) in moves {
                // The typed states allow only events that are in order.
                let next = match before.state().apply(event) {
                    Err(TransitionError::OutOfOrder { .. }) => continue,
                    Err(TransitionError::Closed(closed)) => Err(closed),
                    Ok(next) => Ok(next),
                };
                let moved = word(bits);
                assert_eq!(make(&moved), next.map(drop));
                let after = moved.load();
                assert_eq!(after.state(), next.unwrap_or_else(|_| before.state()));
                // An owner that goes live is in no step, but may have forgotten one.
                let kept = if event == Event::GoLive && next.is_ok() {
                    FLAGS & !IN_STEP
                } else {
                    FLAGS
                };
                assert_eq!(after.0 & FLAGS, bits & kept);
            }
            // A close defers the undo to a step that is in flight.
            if let Ok(duty) = word(bits).close(ABORTED) {
                let expected = if before.in_step() {
                    OnClose::DeferToStep
                } else {
                    OnClose::Unwind { has_parts }
                };
                assert_eq!(duty, expected);
            }

            let ending = word(bits);
            let ended = ending.end_step();
            let unwind = |closed| OnStepEnd::Unwind { closed, has_parts };
            assert_eq!(ended, before.closed().map_or(OnStepEnd::Continue, unwind));
            assert_eq!(ending.load().0, bits & !IN_STEP);

            let releasing = word(bits);
            let duty = releasing.release(ABORTED);
            let unwinds = before.closed().is_none() || before.in_step();
            assert_eq!(duty == OnRelease::Unwind { has_parts }, unwinds);
            assert!(releasing.load().closed().is_some() && !releasing.load().in_step());

            let stepping = word(bits);
            assert_eq!(stepping.begin_step().err(), before.closed());
            let live = before.state() == State::Live;
            assert_eq!(before.is_live(), live);

            // A closer that saw the bit clear does not look under the mutex.
            let storing = word(bits);
            let is_out = before.closed().is_some() && !before.in_step();
            let missed = is_out && !has_parts;
            assert_eq!(storing.mark_has_parts() == Store::Missed, missed);
            assert_eq!(storing.load().0, bits | HAS_PARTS);

            let watching = word(bits);
            watching.set_stall_watch();
            assert_eq!(watching.load().0, bits | STALL_WATCH);
            let slow = before.closed().is_some() || bits & STALL_WATCH != 0;
            assert_eq!(before.is_plainly_open(), !slow);

            let awaiting = word(bits);
            awaiting.set_settle_waiter();
            assert_eq!(awaiting.load().0, bits | SETTLE_WAITER);
            if is_out && !before.settled() {
                assert!(awaiting.settle());
                assert_eq!(word(bits).settle(), bits & SETTLE_WAITER != 0);
            }
        }
    }

    #[test]
    fn every_reason_has_its_own_code() {
        for reason in EVERY_REASON {
            let word = Word::new();
            assert_eq!(word.close(reason), Ok(OnClose::Unwind { has_parts: false }));
            assert_eq!(
                word.load().closed().map(|closed| closed.reason),
                Some(reason)
            );
        }
    }
}

//! The one atomic word of a connection, and the legal moves on it (I1).
//!
//! What it says bit by bit is in `snapshot`; what may become of it is here.
//!
//! `IN_STEP` decides who runs the undo (I2): whoever closes a connection that is
//! not in a step; else whoever ends the step. Both are read-modify-writes on this
//! word, so exactly one of them sees the other and gets the duty.
//!
//! `HELD` spares those who close the lock behind which there is nothing: whoever gets
//! the duty learns with it whether there is, and whoever puts something there later
//! learns that it is too late. `AWAITED` does the same for those who wait for `settled`.
//!
//! ORDERING: every move is one read-modify-write, `AcqRel`, and every load is
//! `Acquire`. That pairs each observer of a state with whoever entered it: who
//! sees `Live` sees the set-up, and who sees `SETTLED` sees every undo.

mod snapshot;

use crate::state::{CloseReason, Closed};
use crate::sync::{AtomicU32, Ordering};

use snapshot::{
    AWAITED, HELD, IN_STEP, LIVE, PENDING, REGISTERING, SETTLED, WATCHED, encode_reason,
};

pub(crate) use snapshot::Snapshot;

pub(crate) struct Word(AtomicU32);

/// Whether there is anything behind the lock for whoever unwinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    Something,
    Nothing,
}

/// What the winner of a close must now do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// Run the undo.
    Unwind(Behind),
    /// Nothing but wake: the owner is in a step, and stops it first.
    LeaveToStep,
}

/// What the owner must do after its step.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStepEnd {
    /// Go on with the set-up.
    GoOn,
    /// Run the undo: the connection closed during the step.
    Unwind(Closed, Behind),
}

/// What must be done for an owner that is gone.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRelease {
    /// Wake, and run the undo: it was open until now, or had closed in a step that
    /// never ended.
    Unwind(Behind),
    /// It had closed, and the undo is taken care of.
    Nothing,
}

/// What there is for whoever has put something behind the lock.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnHold {
    /// Whoever unwinds looks there, or has looked: that is said behind the lock.
    Found,
    /// Nobody looks there.
    TooLate,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(PENDING))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// The only loop that writes the state: one read-modify-write, or none if
    /// there is no such move. Returns what the word was before, or is.
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

    /// A move that nothing but a close can be in the way of.
    #[inline]
    fn move_on(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Result<Snapshot, Closed> {
        self.update(next).map_err(Snapshot::expect_closed)
    }

    pub(crate) fn register(&self) -> Result<(), Closed> {
        self.move_on(|word| word.entered(REGISTERING)).map(drop)
    }

    /// Clears `IN_STEP` as well: the owner stands here, so no step of it can be
    /// in flight, only one that was forgotten.
    pub(crate) fn go_live(&self) -> Result<(), Closed> {
        self.move_on(|word| Some(word.entered(LIVE)?.without_step()))
            .map(drop)
    }

    pub(crate) fn close(&self, reason: CloseReason) -> Result<OnClose, Closed> {
        let reason = encode_reason(reason);
        let before = self.move_on(|word| word.closed_as(reason))?;
        Ok(if before.in_step() {
            OnClose::LeaveToStep
        } else {
            OnClose::Unwind(before.behind())
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
            None => OnStepEnd::GoOn,
            Some(closed) => OnStepEnd::Unwind(closed, before.behind()),
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
            Ok(before) => OnRelease::Unwind(before.behind()),
            Err(_) => OnRelease::Nothing,
        }
    }

    /// Everything is undone. Only whoever had the duty to unwind calls this. Returns
    /// whether somebody waits for it.
    #[must_use]
    pub(crate) fn settle(&self) -> bool {
        // ORDERING: Release, because whoever has that duty has seen all there is to see.
        let before = Snapshot(self.0.fetch_or(SETTLED, Ordering::Release));
        debug_assert!(before.closed().is_some() && !before.in_step() && !before.settled());
        before.awaited()
    }

    /// Something is put behind the lock, which is held meanwhile.
    pub(crate) fn hold(&self) -> OnHold {
        // ORDERING: Relaxed, because the lock hands over what is behind it.
        if self.0.load(Ordering::Relaxed) & HELD != 0 {
            return OnHold::Found;
        }
        let before = Snapshot(self.0.fetch_or(HELD, Ordering::Relaxed));
        if before.is_closed() && !before.in_step() {
            OnHold::TooLate
        } else {
            OnHold::Found
        }
    }

    /// There is more to a poll of its source from now on.
    pub(crate) fn watch(&self) {
        // ORDERING: Relaxed, because whoever polls it has said so.
        self.0.fetch_or(WATCHED, Ordering::Relaxed);
    }

    /// Somebody waits for it to settle, who has left a waker behind the lock, which is
    /// held meanwhile.
    pub(crate) fn await_settled(&self) {
        // ORDERING: Relaxed, because the lock hands over the waker.
        self.0.fetch_or(AWAITED, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use std::collections::HashSet;

    use super::{
        AWAITED, Behind, HELD, IN_STEP, OnClose, OnHold, OnRelease, OnStepEnd, SETTLED, Snapshot,
        WATCHED, Word,
    };
    use crate::state::{CloseReason, Closed, EVERY_REASON, Event, Phase, State, TransitionError};
    use crate::sync::AtomicU32;

    const FLAGS: u32 = IN_STEP | SETTLED | HELD | AWAITED | WATCHED;
    const ABORTED: CloseReason = CloseReason::Aborted;
    const LARGE: CloseReason = CloseReason::App(u16::MAX);

    type Move = fn(&Word) -> Result<(), Closed>;

    fn word(bits: u32) -> Word {
        Word(AtomicU32::new(bits))
    }

    /// Every word that the moves lead to, from a pending one.
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
            // The owner's, who is not there twice: in a step it ends that, or goes.
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
            // Anybody's, at any time.
            moves.push(&|word| _ = word.hold());
            moves.push(&|word| word.await_settled());
            moves.push(&|word| word.watch());
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
            // In mid step, or forgotten in one.
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
        // With and without what goes with all of them; and no two words say the same.
        assert_eq!(8 * seen.len(), reached.len());
        for flag in [HELD, AWAITED, WATCHED] {
            assert!(reached.iter().all(|bits| reached.contains(&(bits ^ flag))));
        }
    }

    #[test]
    fn every_move_is_one_of_the_machine() {
        for bits in reachable() {
            let before = Snapshot(bits);
            let moves: [(Event, Move); 4] = [
                (Event::Register, Word::register),
                (Event::GoLive, Word::go_live),
                (Event::Close(ABORTED), |word| word.close(ABORTED).map(drop)),
                (Event::Close(LARGE), |word| word.close(LARGE).map(drop)),
            ];
            for (event, make) in moves {
                // The typed states put them in order.
                let next = match before.state().apply(event) {
                    Err(TransitionError::OutOfOrder { .. }) => continue,
                    Err(TransitionError::Closed(closed)) => Err(closed),
                    Ok(next) => Ok(next),
                };
                let moved = word(bits);
                assert_eq!(make(&moved), next.map(drop));
                let after = moved.load();
                assert_eq!(after.state(), next.unwrap_or_else(|_| before.state()));
                // Who goes live is in no step, but may have forgotten one.
                let kept = if event == Event::GoLive && next.is_ok() {
                    FLAGS & !IN_STEP
                } else {
                    FLAGS
                };
                assert_eq!(after.0 & FLAGS, bits & kept);
            }
            // Whoever closes leaves the undo to a step that is in flight.
            if let Ok(duty) = word(bits).close(ABORTED) {
                let ours = OnClose::Unwind(before.behind());
                let duty_of_step = OnClose::LeaveToStep;
                assert_eq!(duty, if before.in_step() { duty_of_step } else { ours });
            }

            let ending = word(bits);
            let ended = ending.end_step();
            let ours = |closed| OnStepEnd::Unwind(closed, before.behind());
            assert_eq!(ended, before.closed().map_or(OnStepEnd::GoOn, ours));
            assert_eq!(ending.load().0, bits & !IN_STEP);

            let releasing = word(bits);
            let duty = releasing.release(ABORTED);
            let ours = before.closed().is_none() || before.in_step();
            assert_eq!(duty == OnRelease::Unwind(before.behind()), ours);
            assert!(releasing.load().closed().is_some() && !releasing.load().in_step());

            let stepping = word(bits);
            assert_eq!(stepping.begin_step().err(), before.closed());
            let live = before.state() == State::Live;
            assert_eq!(before.is_live(), live);

            // Nobody looks behind the lock who was told that there was nothing.
            let holding = word(bits);
            let is_out = before.closed().is_some() && !before.in_step();
            let late = is_out && before.behind() == Behind::Nothing;
            assert_eq!(holding.hold() == OnHold::TooLate, late);
            assert_eq!(holding.load().0, bits | HELD);

            let watching = word(bits);
            watching.watch();
            assert_eq!(watching.load().0, bits | WATCHED);
            let more = before.closed().is_some() || bits & WATCHED != 0;
            assert_eq!(before.is_just_open(), !more);

            let awaiting = word(bits);
            awaiting.await_settled();
            assert_eq!(awaiting.load().0, bits | AWAITED);
            if is_out && !before.settled() {
                assert!(awaiting.settle());
                assert_eq!(word(bits).settle(), bits & AWAITED != 0);
            }
        }
    }

    #[test]
    fn every_reason_has_its_own_code() {
        for reason in EVERY_REASON {
            let word = Word::new();
            assert_eq!(word.close(reason), Ok(OnClose::Unwind(Behind::Nothing)));
            assert_eq!(
                word.load().closed().map(|closed| closed.reason),
                Some(reason)
            );
        }
    }
}

//! The one atomic word of a connection, and the legal moves on it (I1).
//!
//! ```text
//!   bits   what
//!   0-1    the phase: 0 pending, 1 registering, 2 live; stays when it closes
//!   2      CLOSED
//!   3      IN_STEP: the owner is in a set-up step
//!   4-7    the close reason; 0 while open
//!   8-23   the code of `App`; else 0
//!   24     SETTLED: closed, and everything is undone
//!   25     HELD: something was put behind the lock, or may be
//!   26     AWAITED: somebody waits for it to settle
//!   27     WATCHED: there is more to a poll of its source than whether it is open
//! ```
//!
//! Which bits go together:
//!
//! ```text
//!   state          IN_STEP   SETTLED
//!   pending, live  never     never
//!   registering    maybe     never
//!   closed         maybe     only without IN_STEP
//! ```
//!
//! The others go with all of them, and are never cleared.
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

use crate::state::{CloseReason, Closed, Phase, State};
use crate::sync::{AtomicU32, Ordering};

const PENDING: u32 = 0;
const REGISTERING: u32 = 1;
const LIVE: u32 = 2;

const PHASE_MASK: u32 = 0b11;
const CLOSED: u32 = 1 << 2;
const IN_STEP: u32 = 1 << 3;
const REASON_SHIFT: u32 = 4;
const REASON_MASK: u32 = 0b1111;
const CODE_SHIFT: u32 = 8;
const CODE_MASK: u32 = 0xffff;
const SETTLED: u32 = 1 << 24;
const HELD: u32 = 1 << 25;
const AWAITED: u32 = 1 << 26;
const WATCHED: u32 = 1 << 27;

pub(crate) struct Word(AtomicU32);

/// Whether there is anything behind the lock for whoever unwinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    Something,
    Nothing,
}

/// A loaded word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(u32);

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
        before.0 & AWAITED != 0
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

impl Snapshot {
    pub(crate) fn state(self) -> State {
        match (self.phase(), self.is_closed()) {
            (_, true) => State::Closed(self.how_it_closed()),
            (Phase::Pending, false) => State::Pending,
            (Phase::Registering, false) => State::Registering,
            (Phase::Live, false) => State::Live,
        }
    }

    /// Whether both say the same of how it closed.
    pub(crate) fn closed_like(self, other: Self) -> bool {
        const HOW: u32 = PHASE_MASK | REASON_MASK << REASON_SHIFT | CODE_MASK << CODE_SHIFT;
        (self.0 ^ other.0) & HOW == 0
    }

    fn phase(self) -> Phase {
        match self.0 & PHASE_MASK {
            PENDING => Phase::Pending,
            REGISTERING => Phase::Registering,
            _ => Phase::Live,
        }
    }

    pub(crate) fn is_live(self) -> bool {
        self.0 & (PHASE_MASK | CLOSED) == LIVE
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether there is nothing more to a poll of its source than that.
    #[inline]
    pub(crate) fn is_just_open(self) -> bool {
        self.0 & (CLOSED | WATCHED) == 0
    }

    #[inline]
    pub(crate) fn closed(self) -> Option<Closed> {
        self.is_closed().then(|| self.how_it_closed())
    }

    /// How it closed, if it has.
    pub(crate) fn how_it_closed(self) -> Closed {
        Closed {
            reason: decode_reason(self.0),
            from: self.phase(),
        }
    }

    #[cold]
    fn expect_closed(self) -> Closed {
        self.closed().expect("nothing else was in the way")
    }

    pub(crate) fn settled(self) -> bool {
        self.0 & SETTLED != 0
    }

    pub(crate) fn behind(self) -> Behind {
        if self.0 & HELD != 0 {
            Behind::Something
        } else {
            Behind::Nothing
        }
    }

    fn in_step(self) -> bool {
        self.0 & IN_STEP != 0
    }

    fn without_step(self) -> Self {
        Self(self.0 & !IN_STEP)
    }

    // `State::apply` on the packed form; the flags stay. The typed states put the events in
    // order, so the only way to fail is to be closed.

    #[inline]
    fn entered(self, phase: u32) -> Option<Self> {
        (!self.is_closed()).then_some(Self(self.0 & !PHASE_MASK | phase))
    }

    #[inline]
    fn closed_as(self, reason: u32) -> Option<Self> {
        (!self.is_closed()).then_some(Self(self.0 | CLOSED | reason))
    }
}

fn encode_reason(reason: CloseReason) -> u32 {
    let (kind, code) = match reason {
        CloseReason::Completed => (0, 0),
        CloseReason::Dropped => (1, 0),
        CloseReason::Aborted => (2, 0),
        CloseReason::Failed => (3, 0),
        CloseReason::Superseded => (4, 0),
        CloseReason::Shutdown => (5, 0),
        CloseReason::Idle => (6, 0),
        CloseReason::Stalled => (7, 0),
        CloseReason::Expired => (8, 0),
        CloseReason::Overflow => (9, 0),
        CloseReason::App(code) => (10, code),
    };
    kind << REASON_SHIFT | u32::from(code) << CODE_SHIFT
}

fn decode_reason(bits: u32) -> CloseReason {
    match (bits >> REASON_SHIFT) & REASON_MASK {
        0 => CloseReason::Completed,
        1 => CloseReason::Dropped,
        2 => CloseReason::Aborted,
        3 => CloseReason::Failed,
        4 => CloseReason::Superseded,
        5 => CloseReason::Shutdown,
        6 => CloseReason::Idle,
        7 => CloseReason::Stalled,
        8 => CloseReason::Expired,
        9 => CloseReason::Overflow,
        10 => {
            let code = (bits >> CODE_SHIFT) & CODE_MASK;
            CloseReason::App(u16::try_from(code).expect("masked to 16 bits"))
        }
        kind => unreachable!("no close reason is coded as {kind}"),
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

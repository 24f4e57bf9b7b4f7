//! Every move of the word is one of the machine.

use std::collections::HashSet;

use super::{
    HAS_PARTS, LEFT_OPEN, NotLive, OWNED, OnClose, OnDisown, OnRelease, REFUSED, RETURNING,
    SET_ASIDE, SETTLE_WAITER, SETTLED, STALL_WATCH, Snapshot, Standing, Store, Word,
};
use crate::state::{CloseReason, Closed, EVERY_REASON, Event, Phase, State, TransitionError};
use crate::sync::AtomicU32;

const FLAGS: u32 = OWNED | SETTLED | HAS_PARTS | SETTLE_WAITER | STALL_WATCH;
const ABORTED: CloseReason = CloseReason::Aborted;
const LARGE: CloseReason = CloseReason::App(u16::MAX);

type Move = fn(&Word) -> Result<(), Closed>;

fn word(bits: u32) -> Word {
    Word(AtomicU32::new(bits))
}

fn expect_closed(error: NotLive) -> Closed {
    match error {
        NotLive::Closed(closed) => closed,
        NotLive::SetAside => unreachable!("set aside again"),
    }
}

/// Every word that the moves reach from a pending one.
fn reachable() -> HashSet<u32> {
    let mut reached = HashSet::from([Word::new().load().0]);
    let mut new: Vec<u32> = reached.iter().copied().collect();
    while let Some(bits) = new.pop() {
        let before = Snapshot(bits);
        let open = before.closed().is_none();
        let registering = before.state() == State::Registering;
        let live = before.state() == State::Live;
        let mut moves: Vec<&dyn Fn(&Word)> = Vec::new();
        moves.push(&|word| _ = word.close(ABORTED));
        moves.push(&|word| _ = word.close(LARGE));
        if !open || before.state() == State::Pending {
            moves.push(&|word| _ = word.register());
        }
        if registering || !open {
            moves.push(&|word| _ = word.go_live());
        }
        if live || !open {
            moves.push(&|word| _ = word.own());
        }
        // Only an owner that went live gives up the duty and stays.
        if before.phase() == Phase::Live {
            moves.push(&|word| _ = word.disown());
        }
        moves.push(&|word| _ = word.release(LARGE));
        if !open && !before.is_owned() && !before.settled() {
            moves.push(&|word| _ = word.settle());
        }
        if before.is_aside() && (registering || !open) {
            moves.push(&|word| word.begin_return());
        }
        // A look-up meets no slot before its connection is registered.
        if before.phase() != Phase::Pending {
            moves.push(&|word| _ = word.set_aside());
        }
        // The owner is refused, or succeeds after that.
        if before.phase() == Phase::Registering {
            moves.push(&|word| word.set_refused(true));
            moves.push(&|word| word.set_refused(false));
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
        (State::Registering, true, false),
        (State::Live, false, false),
        (State::Live, true, false),
    ]);
    for (state, from) in ends.into_iter().flatten() {
        expected.extend([(state, false, false), (state, false, true)]);
        // The owner has not come yet.
        if from != Phase::Pending {
            expected.insert((state, true, false));
        }
    }
    // Its owner was refused and has gone.
    let rejected = State::Closed(Closed {
        reason: CloseReason::Rejected,
        from: Phase::Registering,
    });
    expected.extend([(rejected, false, false), (rejected, false, true)]);
    let reached = reachable();
    let seen = reached.iter().copied().map(Snapshot);
    let seen: HashSet<_> = seen
        .map(|it| (it.state(), it.is_owned(), it.settled()))
        .collect();
    assert_eq!(seen, expected);
    // Each state comes with and without each of the three free flags, and no two words
    // say the same. A slot is set aside while registering, and returns before live; a refusal
    // is of no account once the connection is live.
    let ways = seen
        .iter()
        .map(|(state, ..)| match (state.phase(), state.closed()) {
            (Some(Phase::Pending), _)
            | (
                _,
                Some(Closed {
                    from: Phase::Pending,
                    ..
                }),
            ) => 1,
            (Some(Phase::Live), _)
            | (
                _,
                Some(Closed {
                    from: Phase::Live, ..
                }),
            ) => 2,
            (_, _) => 2 * 3,
        });
    assert_eq!(8 * ways.sum::<usize>(), reached.len());
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
            (Event::GoLive, |word| match word.go_live() {
                // As the owner does.
                Err(NotLive::SetAside) => {
                    assert_eq!(word.set_aside(), Standing::InSetUp);
                    word.begin_return();
                    assert_eq!(word.set_aside(), Standing::GoingLive);
                    word.go_live().map_err(expect_closed)
                }
                other => other.map_err(expect_closed),
            }),
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
            let owned = match event {
                Event::Register if next.is_ok() => true,
                Event::GoLive if next.is_ok() => false,
                _ => before.is_owned(),
            };
            assert_eq!(after.is_owned(), owned);
            assert_eq!(after.0 & FLAGS & !OWNED, bits & FLAGS & !OWNED);
        }
        // A close leaves the undo to an owner that has the duty.
        if let Ok(duty) = word(bits).close(ABORTED) {
            let expected = if before.is_owned() {
                OnClose::LeaveToOwner
            } else {
                OnClose::Unwind { has_parts }
            };
            assert_eq!(duty, expected);
        }

        let ending = word(bits);
        let ended = ending.disown();
        let unwind = |closed| OnDisown::Unwind { closed, has_parts };
        let left_to_owner = before.closed().filter(|_| before.is_owned());
        assert_eq!(ended, left_to_owner.map_or(OnDisown::Continue, unwind));
        assert_eq!(ending.load().0, bits & !OWNED);

        let releasing = word(bits);
        let duty = releasing.release(ABORTED);
        let unwinds = before.closed().is_none() || before.is_owned();
        assert_eq!(duty == OnRelease::Unwind { has_parts }, unwinds);
        assert!(releasing.load().closed().is_some() && !releasing.load().is_owned());
        let reason = if before.is_refused() {
            CloseReason::Rejected
        } else {
            ABORTED
        };
        let expected = before.closed().map_or(reason, |closed| closed.reason);
        assert_eq!(
            releasing.load().closed().map(|it| it.reason),
            Some(expected)
        );

        let refused = word(bits);
        refused.set_refused(true);
        assert_eq!(refused.load().0, bits | REFUSED);
        refused.set_refused(false);
        assert_eq!(refused.load().0, bits & !REFUSED);

        let left = word(bits);
        left.leave_open();
        assert_eq!(left.load().0, bits | LEFT_OPEN);
        assert_eq!(left.release(ABORTED), OnRelease::Nothing);
        assert_eq!(left.load().0, bits | LEFT_OPEN);
        left.take_back();
        assert_eq!(left.load().0, bits);

        let owning = word(bits);
        assert_eq!(owning.own().err(), before.closed());
        let owned = owning.load().is_owned();
        assert_eq!(owned, before.closed().is_none() || before.is_owned());
        let live = before.state() == State::Live;
        assert_eq!(before.is_live(), live);

        let asked = word(bits);
        let standing = match before.state() {
            State::Live => Standing::Live,
            State::Closed(_) => Standing::Closed,
            _ if bits & RETURNING != 0 => Standing::GoingLive,
            _ => Standing::InSetUp,
        };
        assert_eq!(asked.set_aside(), standing);
        let set = if standing == Standing::InSetUp {
            SET_ASIDE
        } else {
            0
        };
        assert_eq!(asked.load().0, bits | set);

        // A closer that saw the bit clear does not look under the mutex.
        let storing = word(bits);
        let is_out = before.closed().is_some() && !before.is_owned();
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

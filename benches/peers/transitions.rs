//! Each transition by itself: where the time of a lifecycle goes.

use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hangup::CloseReason;

use crate::contest::Contest;
use crate::entry::Entry;
use crate::servers::{ByHand, OnHangup, RESIDENTS};
use crate::side::{Run, Side};

/// Made ready at once, so that the clock counts for nothing.
const BATCH: u64 = 100;

pub(crate) fn contests() -> Vec<Contest> {
    let ours = Rc::new(OnHangup::<u64>::new(|key| key));
    let by_hand = Rc::new(ByHand::<u64>::new(|key| key));
    let hangup = |run| Side::new("hangup", run);

    let open = each(&ours, |_, _| (), |ours, _, ()| ours.scope.open().unwrap());
    let register = each(
        &ours,
        |ours, _| ours.scope.open().unwrap(),
        |_, _, pending| pending.register().unwrap(),
    );
    let join = each(
        &ours,
        |ours, _| ours.scope.open().unwrap().register().unwrap(),
        |ours, key, mut setup| {
            setup.join(&ours.registry, key, ()).unwrap();
            setup
        },
    );
    let on_close = each(
        &ours,
        |ours, _| ours.scope.open().unwrap().register().unwrap(),
        |_, key, mut setup| {
            setup
                .on_close(move || assert_ne!(black_box(key), 0))
                .unwrap();
            setup
        },
    );
    let go_live = each(
        &ours,
        |ours, key| {
            let mut setup = ours.scope.open().unwrap().register().unwrap();
            setup.join(&ours.registry, key, ()).unwrap();
            setup
        },
        |_, _, setup| setup.go_live().unwrap(),
    );
    let close = each(
        &ours,
        |ours, key| ours.connect(key),
        |_, _, live| live.close(CloseReason::Completed),
    );
    let on_drop = each(
        &ours,
        |ours, key| ours.connect(key),
        |_, _, live| drop(live),
    );

    let child = each(
        &by_hand,
        |_, _| (),
        |by_hand, _, ()| by_hand.root.child_token(),
    );
    let insert = each(
        &by_hand,
        |by_hand, _| by_hand.root.child_token(),
        |by_hand, key, token| (Entry::insert(&by_hand.members, key, &token), token),
    );
    let end = each(
        &by_hand,
        |by_hand, key| by_hand.connect(key),
        |_, _, guards| drop(guards),
    );

    vec![
        Contest::new("open", hangup(open))
            .against("open_vs_child_token", Side::new("child token", child)),
        Contest::new("register", hangup(register)),
        Contest::new("join", hangup(join)).against("join_vs_insert", Side::new("DashMap", insert)),
        Contest::new("on_close", hangup(on_close)),
        Contest::new("go_live", hangup(go_live)),
        Contest::new("close", hangup(close)).against("close_vs_guard", Side::new("guard", end)),
        Contest::new("drop", hangup(on_drop)),
    ]
}

/// Times `step` alone, on what `ready` makes for each key; what it returns is dropped later.
fn each<S, T, U>(
    server: &Rc<S>,
    ready: impl Fn(&S, u64) -> T + 'static,
    step: impl Fn(&S, u64, T) -> U + 'static,
) -> Run
where
    S: 'static,
{
    let server = Rc::clone(server);
    let keys = RESIDENTS..RESIDENTS + BATCH;
    Box::new(move |times| {
        let mut took = Duration::ZERO;
        for first in (0..times).step_by(BATCH as usize) {
            let keys = keys.clone().take((times - first) as usize);
            let made: Vec<_> = keys.map(|key| (key, ready(&server, key))).collect();
            let mut results = Vec::with_capacity(made.len());
            let begun = Instant::now();
            for (key, made) in black_box(made) {
                results.push(step(&server, key, made));
            }
            took += begun.elapsed();
            black_box(results);
        }
        took
    })
}

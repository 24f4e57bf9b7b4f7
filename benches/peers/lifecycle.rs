//! A connection from its beginning to its end, in a server that has others.

use std::hash::{Hash, RandomState};
use std::hint::black_box;

use hangup::{CloseReason, Scope};
use tokio_util::sync::CancellationToken;

use crate::careful::Careful;
use crate::contest::{Contest, repeat};
use crate::servers::{ByHand, OnHangup, RESIDENTS};
use crate::side::{Run, Side};

pub(crate) fn contests() -> Vec<Contest> {
    let mut number = RESIDENTS;
    let number = move || {
        number += 1;
        number
    };
    // As a request brings it, to be owned by who takes it.
    let names: Vec<_> = (RESIDENTS..2 * RESIDENTS).map(name).collect();
    let mut turn = 0;
    let string = move || {
        turn += 1;
        names[turn % names.len()].clone()
    };
    let hangup = |run| Side::new("hangup", run);
    let by_hand = |run| Side::new("token and DashMap", run);
    vec![
        Contest::new("lifecycle in a registry", hangup(in_registry(same, number)))
            .against("lifecycle_registry", by_hand(in_map(same, number)))
            .against(
                "lifecycle_registry_vs_careful",
                Side::new("with care", with_care(number)),
            ),
        Contest::new(
            "lifecycle in a registry of strings",
            hangup(in_registry(name, string.clone())),
        )
        .against("lifecycle_registry_string", by_hand(in_map(name, string))),
        Contest::new("lifecycle", hangup(in_scope()))
            .against("lifecycle_bare", Side::new("token", with_token())),
    ]
}

fn same(number: u64) -> u64 {
    number
}

fn name(number: u64) -> String {
    format!("worker-{number}")
}

fn in_registry<K>(resident: fn(u64) -> K, mut key: impl FnMut() -> K + 'static) -> Run
where
    K: Hash + Eq + Send + Sync + 'static,
{
    let server = OnHangup::new(resident);
    repeat(move || {
        let live = black_box(server.connect(key()));
        // Nothing is asynchronous here: when this returns, it has settled.
        live.close(CloseReason::Completed).unwrap();
    })
}

fn in_map<K>(resident: fn(u64) -> K, mut key: impl FnMut() -> K + 'static) -> Run
where
    K: Hash + Eq + Clone + 'static,
{
    let server = ByHand::new(resident);
    repeat(move || drop(black_box(server.connect(key()))))
}

fn with_care(mut key: impl FnMut() -> u64 + 'static) -> Run {
    let server = Careful::<RandomState>::new();
    repeat(move || drop(black_box(server.connect(key()))))
}

fn in_scope() -> Run {
    let scope = Scope::new();
    let connect = move || scope.open().unwrap().register().unwrap().go_live().unwrap();
    let residents: Vec<_> = (0..RESIDENTS).map(|_| connect()).collect();
    repeat(move || {
        let _here = &residents;
        let live = black_box(connect());
        live.close(CloseReason::Completed).unwrap();
    })
}

fn with_token() -> Run {
    let root = CancellationToken::new();
    let residents: Vec<_> = (0..RESIDENTS).map(|_| root.child_token()).collect();
    repeat(move || {
        let _here = &residents;
        let token = black_box(root.child_token());
        token.cancel();
        drop(token);
    })
}

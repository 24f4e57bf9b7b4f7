//! A connection from its beginning to its end, in a server that has others.

use std::hash::Hash;
use std::hint::black_box;

use hangup::{CloseReason, Conflict, Live, Registry, Scope};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::contest::{Contest, Run, Side, repeat};
use crate::entry::{Entry, Members};

/// How many are live beside the one that comes and goes: a server is not empty.
pub(crate) const RESIDENTS: u64 = 1000;

pub(crate) fn contests() -> Vec<Contest> {
    // As a request brings it. The keys are used over and over, since a server's are.
    let mut strings = (RESIDENTS..2 * RESIDENTS)
        .map(|number| format!("worker-{number}"))
        .collect::<Vec<_>>()
        .into_iter()
        .cycle();
    let string = move || strings.next().unwrap();
    let mut number = RESIDENTS;
    let number = move || {
        number += 1;
        number
    };
    vec![
        Contest::new(
            "lifecycle in a registry",
            Side::new("hangup", in_registry(|number| number, number)),
        )
        .against(
            "lifecycle_registry",
            Side::new("token and DashMap", in_map(|number| number, number)),
        ),
        Contest::new(
            "lifecycle in a registry of strings",
            Side::new("hangup", in_registry(resident, string.clone())),
        )
        .against(
            "lifecycle_registry_string",
            Side::new("token and DashMap", in_map(resident, string)),
        ),
        Contest::new("lifecycle", Side::new("hangup", in_scope()))
            .against("lifecycle_bare", Side::new("token", with_token())),
    ]
}

fn resident(number: u64) -> String {
    format!("worker-{number}")
}

pub(crate) fn connect<K>(scope: &Scope, registry: &Registry<K, ()>, key: K) -> Live
where
    K: Hash + Eq + Send + Sync + 'static,
{
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(registry, key, ()).unwrap();
    setup.go_live().unwrap()
}

pub(crate) fn connect_by_hand<K>(
    root: &CancellationToken,
    members: &Members<K>,
    key: K,
) -> (Entry<K>, DropGuard)
where
    K: Hash + Eq + Clone,
{
    let token = root.child_token();
    (Entry::insert(members, key, &token), token.drop_guard())
}

fn in_registry<K>(resident: fn(u64) -> K, mut key: impl FnMut() -> K + 'static) -> Run
where
    K: Hash + Eq + Send + Sync + 'static,
{
    let (scope, registry) = (Scope::new(), Registry::new(Conflict::Replace));
    let residents: Vec<_> = (0..RESIDENTS)
        .map(|number| connect(&scope, &registry, resident(number)))
        .collect();
    repeat(move || {
        let live = connect(&scope, &registry, key());
        // Nothing is asynchronous here: when this returns, it has settled.
        black_box(live).close(CloseReason::Completed).unwrap();
        black_box(&residents);
    })
}

fn in_map<K>(resident: fn(u64) -> K, mut key: impl FnMut() -> K + 'static) -> Run
where
    K: Hash + Eq + Clone + 'static,
{
    let (root, members) = (CancellationToken::new(), Members::default());
    let residents: Vec<_> = (0..RESIDENTS)
        .map(|number| connect_by_hand(&root, &members, resident(number)))
        .collect();
    repeat(move || {
        let guards = connect_by_hand(&root, &members, key());
        drop(black_box(guards));
        black_box(&residents);
    })
}

fn in_scope() -> Run {
    let scope = Scope::new();
    let connect = move || scope.open().unwrap().register().unwrap().go_live().unwrap();
    let residents: Vec<_> = (0..RESIDENTS).map(|_| connect()).collect();
    repeat(move || {
        black_box(connect()).close(CloseReason::Completed).unwrap();
        black_box(&residents);
    })
}

fn with_token() -> Run {
    let root = CancellationToken::new();
    let residents: Vec<_> = (0..RESIDENTS).map(|_| root.child_token()).collect();
    repeat(move || {
        let token = black_box(root.child_token());
        token.cancel();
        drop(token);
        black_box(&residents);
    })
}

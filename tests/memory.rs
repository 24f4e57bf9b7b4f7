//! What is left of a burst.

use allocation_counter::measure;
use hangup::{Conflict, Deadlines, Live, Registry, Scope};

/// Of locks and of what is small enough to be kept.
const ROOM: i64 = 64 * 1024;
const BURST: u64 = 50_000;

fn connect(scope: &Scope, registry: &Registry<u64, u64>, key: u64) -> Live {
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(registry, key, key).unwrap();
    setup.go_live().unwrap()
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let crowd = Conflict::share_unbounded();
    let remembering = Registry::builder(crowd).remember_closes(10).build();
    // Each key for itself, all under one key, and a few remembered.
    let bursts = [
        (Registry::new(Conflict::Replace), u64::MAX),
        (Registry::new(crowd), 1),
        (remembering, u64::MAX),
    ];
    for (registry, keys) in bursts {
        let scope = Scope::new();
        let info = measure(|| {
            let mut lives: Vec<_> = (0..BURST)
                .map(|number| connect(&scope, &registry, number % keys))
                .collect();
            assert_eq!(registry.len() as u64, BURST);
            // Neither the newest nor the oldest first.
            let half = lives.len() / 2;
            lives.rotate_left(half);
            drop(lives);
        });
        assert!(info.bytes_current < ROOM, "left behind: {info:?}");
        assert!(info.bytes_max > 100 * ROOM as u64, "no burst: {info:?}");
        assert!(registry.is_empty());
    }
}

#[test]
fn nothing_is_kept_for_keys_that_nobody_uses() {
    let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
    let connect_all = |keys: std::ops::Range<u64>| {
        for key in keys {
            drop(connect(&scope, &registry, key));
        }
    };
    // Through all parts of the scope once.
    connect_all(0..BURST);
    let info = measure(|| connect_all(BURST..2 * BURST));
    assert!(info.bytes_current < 1024, "left behind: {info:?}");
}

#[test]
fn a_connection_is_one_allocation_and_its_place_or_undo_is_one_more() {
    let registry = Registry::new(Conflict::Replace);
    let least = |connect: &dyn Fn(&Scope, u64) -> Live| {
        let scope = Scope::new();
        let mut kept = Vec::with_capacity(100);
        let costs = (0..100).map(|key| {
            let info = measure(|| kept.push(connect(&scope, key)));
            info.count_total
        });
        // Of those for which no list or table grew.
        costs.min().unwrap()
    };
    let alone = least(&|scope, _| scope.open().unwrap().register().unwrap().go_live().unwrap());
    let with_a_place = least(&|scope, key| connect(scope, &registry, key));
    let with_an_undo = least(&|scope, key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.on_close(move || assert!(key < 100)).unwrap();
        setup.go_live().unwrap()
    });
    assert_eq!((alone, with_a_place, with_an_undo), (1, 2, 2));
}

#[test]
fn a_refused_open_allocates_nothing() {
    use hangup::OpenError;

    let scope = Scope::builder().max_connections(1).build();
    let tenant = scope.child().build();
    let _live = scope.open().unwrap();
    let refuse = |refused: OpenError| {
        let info = measure(|| {
            for scope in [&scope, &tenant] {
                assert_eq!(scope.open().unwrap_err(), refused);
            }
        });
        assert_eq!(info.count_total, 0, "{refused}: {info:?}");
    };
    refuse(OpenError::Full);
    scope.begin_drain();
    refuse(OpenError::Draining);
}

/// What the docs say that deadlines cost.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_connection_with_deadlines_costs_what_it_is_said_to() {
    use futures::stream::{self, BoxStream, StreamExt};
    use std::time::Duration;

    const CONNECTIONS: usize = 100;
    let of = |deadlines: Deadlines, own: bool| -> (u64, i64) {
        let of_scope = if own { Deadlines::new() } else { deadlines };
        let scope = Scope::builder().deadlines(of_scope).swept_by_hand().build();
        let mut kept: Vec<BoxStream<'static, u8>> = Vec::with_capacity(CONNECTIONS);
        let connect = || {
            let opened = if own {
                scope.open_with(|_| deadlines)
            } else {
                scope.open()
            };
            let live = opened.unwrap().register().unwrap().go_live().unwrap();
            let mut body = live.stream(stream::pending()).boxed();
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(body.poll_next_unpin(&mut cx).is_pending());
            body
        };
        let costs = (0..CONNECTIONS).map(|_| {
            let info = measure(|| kept.push(connect()));
            (info.count_total, info.bytes_current)
        });
        // Of those for which the scope's own list did not grow.
        costs.min().unwrap()
    };
    let more = |deadlines, own| {
        let (none, some) = (of(Deadlines::new(), false), of(deadlines, own));
        (some.0 - none.0, some.1 - none.1)
    };
    let age = Deadlines::new().max_age(Duration::from_secs(1));
    assert_eq!(more(age, false), (1, 104));
    assert_eq!(more(age, true), (2, 232));
    let token = if cfg!(feature = "tokio-util") { 8 } else { 0 };
    let stall = more(age.stall(Duration::from_secs(1)), false);
    assert_eq!(stall, (4, 352 + token));
}

/// R19: a million of them, in release, take a second or two.
#[cfg(feature = "tokio")]
#[test]
fn connections_under_a_long_lived_token_leave_nothing_on_it() {
    use hangup::CloseReason;
    use tokio_util::sync::CancellationToken;

    let connections = if cfg!(debug_assertions) {
        BURST
    } else {
        1_000_000
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let (runtime, scope) = (runtime.unwrap(), Scope::new());
    let token = CancellationToken::new();
    let connect = |count| {
        runtime.block_on(async {
            for number in 0..count {
                let signal = token.clone().cancelled_owned();
                drop(scope.open().unwrap().abort_on(signal).unwrap());
                if number % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            while tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
                > 0
            {
                tokio::task::yield_now().await;
            }
        });
    };
    // Through all parts of the scope once.
    connect(BURST);
    let info = measure(|| connect(connections));
    // The queue of the runtime may have grown; there is no more of anything.
    assert!(info.count_current < 10, "left behind: {info:?}");
    assert_eq!(
        scope.stats().closed_as(CloseReason::Dropped),
        BURST + connections
    );
}

#[cfg(feature = "tower")]
#[test]
fn a_request_that_asks_for_no_stream_allocates_nothing_more() {
    use std::convert::Infallible;
    use std::future::ready;

    use axum::body::Bytes;
    use axum::http::{Request, Response};
    use hangup::layer::Admit;
    use http_body_util::Full;
    use tower::{Layer, Service, service_fn};

    let answer = |request: Request<()>| {
        drop(request);
        ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
    };
    let mut plain = service_fn(answer);
    let mut admitted = Admit::new(Scope::new()).layer(service_fn(answer));
    let request = || {
        Request::builder()
            .header("accept", "text/html")
            .body(())
            .unwrap()
    };
    let cost = |call: &mut dyn FnMut(Request<()>)| {
        // The first one allocates what the executor keeps for its thread.
        call(request());
        let request = request();
        measure(|| call(request)).count_total
    };
    let without = cost(&mut |request| drop(futures::executor::block_on(plain.call(request))));
    let with = cost(&mut |request| drop(futures::executor::block_on(admitted.call(request))));
    assert_eq!(with, without);
}

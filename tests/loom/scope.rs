//! A scope that admits, counts, drains and closes all.
//!
//! In a model it has two shards, and connections go to them in turns: the first one to
//! the one that is locked last, the second one to the one that is locked first.

use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use hangup::{CloseReason, Closed, Live, OpenError, Pending, Registering, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Count, Fact, Woken, model, model_3, poll_once, settled};

/// Opens a connection and goes live, unless a drain has begun.
fn open_unless_draining(scope: &Scope) -> Option<Result<Live, Closed>> {
    match scope.open() {
        Ok(pending) => Some(pending.register().and_then(Registering::go_live)),
        Err(refused) => {
            assert_eq!(refused, OpenError::Draining);
            None
        }
    }
}

fn with_cap(max: usize) -> Scope {
    Scope::builder().max_connections(max).build()
}

/// R15, I6: whoever is admitted before the drain is closed by it; nobody after it. In
/// either shard.
#[test]
fn r15_i6_open_vs_drain() {
    for already_open in [0, 1] {
        model(move || {
            let scope = Scope::new();
            let earlier: Vec<_> = (0..already_open).map(|_| scope.open().unwrap()).collect();
            let opener = spawn({
                let scope = scope.clone();
                move || open_unless_draining(&scope)
            });
            scope.begin_drain();
            let closed = scope.close_all(CloseReason::Shutdown);
            let opened = opener.join().unwrap();

            assert_eq!(closed, earlier.len() + usize::from(opened.is_some()));
            assert_eq!(scope.stats().open(), 0, "slipped through");
            drop((earlier, opened));
            assert_shut_down(&scope, closed);
        });
    }
}

fn assert_shut_down(scope: &Scope, closed: usize) {
    let stats = scope.stats();
    assert_eq!(stats.closed_as(CloseReason::Shutdown), closed as u64);
    assert!(scope.handles().is_empty());
}

/// R15, I6: the same with two who open, one in each shard.
#[test]
fn r15_i6_two_opens_vs_drain_3() {
    model_3(2, || {
        let scope = Scope::new();
        let openers = [(); 2].map(|()| {
            let scope = scope.clone();
            spawn(move || open_unless_draining(&scope))
        });
        scope.begin_drain();
        let closed = scope.close_all(CloseReason::Shutdown);
        let opened = openers.map(|opener| opener.join().unwrap());

        assert_eq!(closed, opened.iter().flatten().count());
        assert_eq!(scope.stats().open(), 0, "slipped through");
        drop(opened);
        assert_shut_down(&scope, closed);
    });
}

/// I6: who sees that a drain has begun is not admitted.
#[test]
fn i6_is_draining_vs_open() {
    model(|| {
        let scope = Scope::new();
        let drain = spawn({
            let scope = scope.clone();
            move || scope.begin_drain()
        });
        if scope.is_draining() {
            assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
        }
        drain.join().unwrap();
    });
}

/// I6: and who is told of the drain, or refused for it, sees what came before it: why,
/// say.
#[test]
fn i6_who_is_told_of_the_drain_sees_why() {
    let scopes: [fn() -> Scope; 2] = [Scope::new, || Scope::builder().max_connections(2).build()];
    let tells: [fn(&Scope) -> bool; 2] = [Scope::is_draining, |scope| scope.open().is_err()];
    for (new, is_told) in scopes
        .into_iter()
        .flat_map(|new| tells.map(|tells| (new, tells)))
    {
        model(move || {
            let scope = new();
            let why = Fact::new();
            let drain = spawn({
                let (scope, why) = (scope.clone(), why.clone());
                move || {
                    why.state();
                    scope.begin_drain();
                }
            });
            assert!(!is_told(&scope) || why.is_seen());
            drain.join().unwrap();
        });
    }
}

/// I6, R20: of two who want the last place one gets it, in whichever shards they are.
#[test]
fn i6_r20_open_vs_open() {
    model(|| {
        let scope = with_cap(2);
        let holder = scope.open().unwrap();
        let other = spawn({
            let scope = scope.clone();
            move || scope.open()
        });
        let mine = scope.open();
        let others = other.join().unwrap();
        let refused: Vec<_> = [&mine, &others]
            .into_iter()
            .filter_map(|opened| opened.as_ref().err())
            .collect();
        assert_eq!(refused, [&OpenError::Full]);
        assert_eq!(scope.stats().open(), 2);
        drop((holder, mine, others));
        assert!(scope.handles().is_empty());
        drop([scope.open().unwrap(), scope.open().unwrap()]);
    });
}

/// I6, R20: and of three who want the last two places two.
#[test]
fn i6_r20_three_opens_3() {
    model_3(3, || {
        let scope = with_cap(2);
        let others = [(); 2].map(|()| {
            let scope = scope.clone();
            spawn(move || scope.open())
        });
        let mine = scope.open();
        let [one, two] = others.map(|other| other.join().unwrap());
        let admitted = [&mine, &one, &two]
            .iter()
            .filter(|opened| opened.is_ok())
            .count();
        assert_eq!((admitted, scope.stats().open()), (2, 2));
    });
}

/// I6, R25: a place is free when its holder is undone, and not before: who gets it finds
/// the holder gone, and sees its undo.
#[test]
fn i6_r25_open_vs_settle_of_the_holder() {
    model(|| {
        let scope = with_cap(1);
        let mut holder = scope.open().unwrap().register().unwrap();
        let undone = Fact::new();
        holder
            .on_close({
                let undone = undone.clone();
                move || undone.state()
            })
            .unwrap();
        let closing = spawn(move || drop(holder));
        match scope.open() {
            Ok(pending) => {
                // First, since the locks of the others lend their edges.
                assert!(undone.is_seen(), "two hold the one place");
                let unsettled: Vec<_> = scope.handles().iter().map(|h| h.id()).collect();
                assert_eq!(unsettled, [pending.id()]);
            }
            Err(refused) => assert_eq!(refused, OpenError::Full),
        }
        closing.join().unwrap();
        assert!(scope.open().is_ok());
    });
}

/// I6, R25: the same if the place was free, was taken and is free again, all while
/// somebody is at the gate.
#[test]
fn i6_r25_open_vs_holder_that_comes_and_goes() {
    model(|| {
        let scope = with_cap(2);
        let earlier = scope.open().unwrap();
        let undone = Fact::new();
        let passing = spawn({
            let (scope, undone) = (scope.clone(), undone.clone());
            move || {
                let opened = scope.open();
                opened.is_ok_and(|pending| {
                    let mut setup = pending.register().unwrap();
                    setup.on_close(move || undone.state()).unwrap();
                    true
                })
            }
        });
        let mine = scope.open();
        let seen = undone.is_seen();
        let passed = passing.join().unwrap();
        // Nobody has left but the one who passed, so that one was there before.
        assert!(mine.is_err() || !passed || seen, "two hold the one place");
        drop((earlier, mine));
    });
}

/// I6: who was told that the holder has settled is admitted for certain.
#[test]
fn i6_open_after_settled_of_the_holder() {
    model(|| {
        let scope = with_cap(1);
        let holder = scope.open().unwrap();
        let handle = holder.handle();
        let closing = spawn(move || drop(holder));
        block_on(handle.settled());
        drop(scope.open().expect("the place is free"));
        closing.join().unwrap();
    });
}

/// I6: the same seen by polling alone.
#[test]
fn i6_open_after_settled_at_first_sight() {
    model(|| {
        let scope = with_cap(1);
        let holder = scope.open().unwrap();
        let handle = holder.handle();
        let closing = spawn(move || drop(holder));
        if poll_once(pin!(handle.settled()), Waker::noop()).is_ready() {
            drop(scope.open().expect("the place is free"));
        }
        closing.join().unwrap();
    });
}

/// I6, R20: two who settle free two places, and one of them one, while somebody opens.
#[test]
fn i6_r20_open_vs_two_settling_3() {
    model_3(2, || {
        let scope = with_cap(2);
        let holders = [(); 2].map(|()| scope.open().unwrap());
        let closing = holders.map(|holder| spawn(move || drop(holder)));
        let opened = scope.open();
        assert!(scope.handles().len() <= 2);
        for closing in closing {
            closing.join().unwrap();
        }
        let unsettled = scope.handles().len();
        assert_eq!(unsettled, usize::from(opened.is_ok()));
        let last = (unsettled..2).map(|_| scope.open().expect("a place is lost"));
        drop(last.collect::<Vec<_>>());
        drop(opened);
    });
}

/// What there is to see once `Scope::settled` has resolved: at once, and for all.
fn check_drained(scope: &Scope, handles: &[hangup::Handle]) {
    for handle in handles {
        settled(handle);
    }
    let stats = scope.stats();
    assert_eq!(stats.open() + stats.settling, 0, "{stats:?}");
    assert_eq!(stats.closed.values().sum::<u64>(), handles.len() as u64);
    assert!(scope.handles().is_empty());
}

/// R14: no wake-up of a drain is lost: that of the last one to settle.
#[test]
fn r14_drained_vs_last_settle() {
    model(|| {
        let scope = Scope::new();
        let pending = scope.open().unwrap();
        let handle = pending.handle();
        scope.begin_drain();
        let closing = spawn(move || drop(pending));
        block_on(scope.drained());
        check_drained(&scope, &[handle]);
        closing.join().unwrap();
    });
}

/// R14: the same for whoever only polls, whom neither a lock of the waiters nor a waker
/// makes wait: drained means settled.
#[test]
fn r14_drained_at_first_sight() {
    for already_open in [0, 1] {
        model(move || {
            let scope = Scope::new();
            // The last one is in the one or the other shard.
            for _ in 0..already_open {
                drop(scope.open().unwrap());
            }
            let mut setup = scope.open().unwrap().register().unwrap();
            let undone = Fact::new();
            setup
                .on_close({
                    let undone = undone.clone();
                    move || undone.state()
                })
                .unwrap();
            let handle = setup.handle();
            scope.begin_drain();
            let closing = spawn(move || drop(setup));
            if poll_once(pin!(scope.drained()), Waker::noop()).is_ready() {
                assert!(undone.is_seen());
                settled(&handle);
                assert_eq!(scope.stats().settling, 0);
            }
            closing.join().unwrap();
        });
    }
}

/// R14: nor that of the drain itself, which finds nobody.
#[test]
fn r14_drained_vs_begin_drain() {
    model(|| {
        let scope = Scope::new();
        drop(scope.open().unwrap());
        let drain = spawn({
            let scope = scope.clone();
            move || {
                scope.begin_drain();
                scope.begin_drain();
            }
        });
        block_on(scope.drained());
        assert!(scope.is_draining());
        drain.join().unwrap();
    });
}

/// R14: nor when the two are in each other's way.
#[test]
fn r14_drained_vs_begin_drain_vs_last_settle_3() {
    model_3(3, || {
        let scope = Scope::new();
        let pending = scope.open().unwrap();
        let handle = pending.handle();
        let closing = spawn(move || drop(pending));
        let drain = spawn({
            let scope = scope.clone();
            move || scope.begin_drain()
        });
        block_on(scope.drained());
        check_drained(&scope, &[handle]);
        closing.join().unwrap();
        drain.join().unwrap();
    });
}

/// R14: two in two shards, of which either is the last.
#[test]
fn r14_drained_vs_two_settling_3() {
    model_3(2, || {
        let scope = Scope::new();
        let pending = [(); 2].map(|()| scope.open().unwrap());
        let handles = [pending[0].handle(), pending[1].handle()];
        scope.begin_drain();
        let closing = pending.map(|pending| spawn(move || drop(pending)));
        block_on(scope.drained());
        check_drained(&scope, &handles);
        for closing in closing {
            closing.join().unwrap();
        }
    });
}

/// R14, R15: one is admitted at the last moment, or is not: the drain waits for it.
#[test]
fn r14_drained_vs_open() {
    model(|| {
        let scope = Scope::new();
        let opener = spawn({
            let scope = scope.clone();
            move || scope.open().map(|pending| pending.handle())
        });
        scope.begin_drain();
        block_on(scope.drained());
        let before = scope.stats();
        let opened = opener.join().unwrap();
        if let Ok(handle) = &opened {
            settled(handle);
        }
        assert_eq!(
            before.closed.values().sum::<u64>(),
            opened.iter().len() as u64
        );
        let mut after = scope.stats();
        // The refusal may come later.
        after.refused_draining = before.refused_draining;
        assert_eq!(after, before, "it stays so");
    });
}

/// R14: two who wait for one drain; neither takes the other's turn.
#[test]
fn r14_two_waiters_vs_last_settle_3() {
    model_3(2, || {
        let scope = Scope::new();
        let pending = scope.open().unwrap();
        scope.begin_drain();
        let waiter = spawn({
            let scope = scope.clone();
            move || block_on(scope.drained())
        });
        let closing = spawn(move || drop(pending));
        block_on(scope.drained());
        waiter.join().unwrap();
        closing.join().unwrap();
    });
}

/// I7, R14: one that gives up waiting for a drain leaves no waker behind.
#[test]
fn i7_r14_waiter_gives_up_vs_last_settle() {
    model(|| {
        let scope = Scope::new();
        let pending = scope.open().unwrap();
        scope.begin_drain();
        let woken = Arc::new(Woken::default());
        let closing = spawn(move || drop(pending));
        {
            let waker = Waker::from(Arc::clone(&woken));
            let mut drained = Box::pin(scope.drained());
            _ = poll_once(drained.as_mut(), &waker);
        }
        closing.join().unwrap();
        assert!(woken.count() <= 1);
        assert_eq!(Arc::strong_count(&woken), 1, "a waker is left behind");
    });
}

/// R7: no connection is missing from the counts, or in them twice, at any time.
#[test]
fn r7_stats_vs_close() {
    model(|| {
        let scope = Scope::new();
        let (pending, undone) = (scope.open().unwrap(), Count::default());
        let count = undone.clone();
        let mut setup = pending.register().unwrap();
        setup.on_close(move || count.add()).unwrap();
        let owner = spawn(move || drop(setup.go_live()));
        let stats = scope.stats();
        let settled: u64 = stats.closed.values().sum();
        assert_eq!(stats.open() + stats.settling + settled as usize, 1);
        assert_eq!(stats.undos_run, settled, "counted with its undo");
        if settled == 1 {
            assert_eq!(undone.get(), 1);
        }
        owner.join().unwrap();
        assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
    });
}

/// R7: an undo is counted once, also one that comes after the others have run.
#[test]
fn r7_stats_vs_late_undo() {
    model(|| {
        let scope = Scope::new();
        let mut setup = scope.open().unwrap().register().unwrap();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        _ = setup.on_close(|| {});
        closer.join().unwrap();
        drop(setup);
        assert_eq!(settled(&handle).undos_run, 1);
        assert_eq!(scope.stats().undos_run, 1);
    });
}

/// R7: two leave one shard, which moves the third: each lets go of itself.
#[test]
fn r7_two_settling_in_one_shard() {
    model(|| {
        let scope = Scope::new();
        let [one, _other_shard, two, _other_shard_too, three] =
            [(); 5].map(|()| scope.open().unwrap());
        let closing = spawn(move || drop(one));
        drop(two);
        let left: Vec<_> = scope.handles().iter().map(|handle| handle.id()).collect();
        assert!(left.contains(&three.id()), "{left:?}");
        closing.join().unwrap();
        assert_eq!(scope.handles().len(), 3);
        drop::<Pending>(three);
        assert_eq!(scope.handles().len(), 2);
    });
}

/// R15, I6: a drain of the scope above finds what is opened below, or refuses it.
#[test]
fn r15_i6_open_in_a_child_vs_drain() {
    model(|| {
        let server = Scope::new();
        let tenant = server.child().build();
        let opener = spawn({
            let tenant = tenant.clone();
            move || open_unless_draining(&tenant)
        });
        server.begin_drain();
        let closed = server.close_all(CloseReason::Shutdown);
        let opened = opener.join().unwrap();

        assert_eq!(closed, usize::from(opened.is_some()));
        assert_eq!(tenant.stats().open(), 0, "slipped through");
        drop(opened);
        assert_shut_down(&server, closed);
        assert_shut_down(&tenant, closed);
    });
}

/// I6: the cap of the scope above holds for two children, and none too few get in.
#[test]
fn i6_r20_cap_above_two_children() {
    model(|| {
        let server = with_cap(1);
        let tenants = [(); 2].map(|()| server.child().max_connections(1).build());
        let other = spawn({
            let tenant = tenants[1].clone();
            move || tenant.open()
        });
        let mine = tenants[0].open();
        let other = other.join().unwrap();
        assert_eq!(usize::from(mine.is_ok()) + usize::from(other.is_ok()), 1);
        drop((mine, other));
        // What the refused one took is given back.
        for tenant in &tenants {
            assert!(tenant.open().is_ok());
        }
    });
}

/// Who knows that it has settled finds it so in both scopes, and its place free.
#[test]
fn settle_in_a_child_vs_a_look() {
    model(|| {
        let server = with_cap(1);
        let tenant = server.child().build();
        let pending = tenant.open().unwrap();
        let handle = pending.handle();
        let closer = spawn(move || drop(pending));
        if poll_once(pin!(handle.settled()), Waker::noop()).is_ready() {
            for scope in [&server, &tenant] {
                assert_eq!(scope.stats().closed_as(CloseReason::Dropped), 1);
                assert!(scope.handles().is_empty());
            }
            assert!(tenant.open().is_ok());
        }
        closer.join().unwrap();
    });
}

/// The wait of a child wakes for the drain above it and for its own last connection.
#[test]
fn drained_of_a_child_vs_drain_above_vs_close_3() {
    model_3(2, || {
        let server = Scope::new();
        let tenant = server.child().build();
        let pending = tenant.open().unwrap();
        let drain = spawn({
            let server = server.clone();
            move || server.begin_drain()
        });
        let closer = spawn(move || drop(pending));
        block_on(tenant.drained());
        assert!(tenant.is_draining() && tenant.handles().is_empty());
        drain.join().unwrap();
        closer.join().unwrap();
    });
}

/// A count in portions, while one settles that it has or has not come to.
#[test]
fn stats_vs_settle() {
    model(|| {
        let scope = Scope::new();
        // Two in one shard, one in the other.
        let opened: Vec<_> = (0..3).map(|_| scope.open().unwrap()).collect();
        let mut opened = opened.into_iter();
        let first = opened.next();
        let closer = spawn(move || drop(first));
        let stats = scope.stats();
        let open = (stats.open() + stats.settling) as u64;
        assert_eq!(open + stats.closed_as(CloseReason::Dropped), 3);
        closer.join().unwrap();
        drop(opened);
    });
}

//! Look-ups, joins and closes under one key.

use std::sync::Arc;

use hangup::{CloseReason, Conflict, KeyError, Registry};
use loom::thread::{spawn, yield_now};

use crate::model::{Fact, Signal, counted, model, model_3, settled, setup};

/// I3, R1, R5: a lookup that finds a member sees its whole set-up; one that is
/// known to come after the close finds nothing.
#[test]
fn i3_lookup_vs_go_live_and_close() {
    model(|| {
        let registry: Registry<u8, Fact> = Registry::new(Conflict::Reject);
        let mut setup = setup();
        let ready = Fact::new();
        setup.join(&registry, 1, ready.clone()).unwrap();
        let (went_live, closed) = (Signal::new(), Signal::new());

        let owner = spawn({
            let (went_live, closed) = (went_live.clone(), closed.clone());
            move || {
                ready.state();
                let live = setup.go_live().unwrap();
                went_live.send();
                live.close(CloseReason::Idle).unwrap();
                closed.send();
            }
        });
        let gone = closed.is_sent();
        let found = registry.get(&1);
        if let Some(member) = &found {
            assert!(member.is_seen(), "visible before its set-up");
            assert!(!gone, "visible after its close");
        }
        drop(found);
        owner.join().unwrap();
        assert!(registry.get(&1).is_none());
    });
}

/// I3, R21: a connection in two registries appears and vanishes in both at once.
#[test]
fn i3_r21_two_registries() {
    model(|| {
        let one: Registry<u8, ()> = Registry::new(Conflict::Reject);
        let two: Registry<u8, ()> = Registry::new(Conflict::share(2));
        let mut setup = setup();
        setup.join(&one, 1, ()).unwrap();
        setup.join(&two, 2, ()).unwrap();
        let owner = spawn(move || setup.go_live().unwrap());
        let first = one.count(&1);
        let second = two.count(&2);
        assert!(first <= second, "in one, not yet in the other");
        let live = owner.join().unwrap();

        let handle = live.handle();
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let first = one.members(&1).len();
        let second = two.len();
        assert!(first >= second, "gone from one, still in the other");
        closer.join().unwrap();
        assert!(one.is_empty() && two.is_empty());
    });
}

/// R2, R5: a join while somebody closes leaks no seat.
#[test]
fn r2_r5_join_vs_close() {
    model(|| {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::Reject);
        let value = Arc::new(());
        let mut setup = setup();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let joined = setup.join(&registry, 1, Arc::clone(&value));
        closer.join().unwrap();
        drop(setup);
        settled(&handle);

        if let Err(error) = joined {
            assert!(matches!(error, KeyError::Closed(_)), "{error}");
        }
        assert_eq!(Arc::strong_count(&value), 1, "a seat is left behind");
        assert_eq!(registry.len(), 0);
        let mut newcomer = self::setup();
        newcomer.join(&registry, 1, value).unwrap();
    });
}

/// I6, R20: of two who want the last place one gets it.
#[test]
fn i6_r20_join_vs_join() {
    for conflict in [Conflict::share(1), Conflict::Reject] {
        model(move || {
            let registry: Registry<u8, u8> = Registry::new(conflict);
            let (mut one, mut two) = (setup(), setup());
            let other = spawn({
                let registry = registry.clone();
                move || {
                    let joined = two.join(&registry, 1, 2);
                    (joined, two.go_live().unwrap())
                }
            });
            let mine = one.join(&registry, 1, 1);
            let one = one.go_live().unwrap();
            let (others, two) = other.join().unwrap();
            assert!(mine.is_ok() != others.is_ok(), "{mine:?} {others:?}");
            assert_eq!(registry.count(&1), 1);
            drop((one, two));
            assert_eq!(registry.count(&1), 0);
        });
    }
}

// In these models the main thread changes a state, since loom explores a load on another thread
// in both orders, and a load on the main thread only in one.

/// I6, R29: a holder of the only place ends while another one wants it. Never do two that
/// have not settled hold it.
#[test]
fn i6_r29_join_vs_end_of_the_holder() {
    for conflict in [Conflict::share(1), Conflict::Reject] {
        model(move || {
            let registry: Registry<u8, ()> = Registry::new(conflict);
            let (mut old, undone) = counted();
            old.join(&registry, 1, ()).unwrap();
            let live = old.go_live().unwrap();
            let mut new = setup();
            let newcomer = spawn({
                let (registry, handle) = (registry.clone(), live.handle());
                move || {
                    let joined = new.join(&registry, 1, ());
                    match joined {
                        Ok(()) => assert_eq!(undone.get(), 1, "it holds what it acquired"),
                        Err(KeyError::Settling) => assert!(handle.state().is_closed()),
                        Err(KeyError::Taken | KeyError::Full) => {}
                        Err(error) => panic!("{error}"),
                    }
                    (new, joined)
                }
            });
            drop(live);
            let (mut new, joined) = newcomer.join().unwrap();
            if joined.is_err() {
                new.join(&registry, 1, ()).unwrap();
            }
        });
    }
}

/// I6, R29: one that is closed by another thread counts until its owner has undone it.
#[test]
fn i6_r29_join_vs_close_of_a_set_up() {
    model(|| {
        let registry: Registry<u8, ()> = Registry::new(Conflict::share(2));
        let (mut one, mut two, mut new) = (setup(), setup(), setup());
        one.join(&registry, 1, ()).unwrap();
        two.join(&registry, 1, ()).unwrap();
        let newcomer = spawn({
            let (registry, handle) = (registry.clone(), one.handle());
            move || {
                let refused = new.join(&registry, 1, ()).unwrap_err();
                assert!(refused == KeyError::Full || handle.state().is_closed());
                (new, refused)
            }
        });
        one.handle().close(CloseReason::Aborted).unwrap();
        let (mut new, refused) = newcomer.join().unwrap();
        assert!(matches!(refused, KeyError::Full | KeyError::Settling));
        assert_eq!(new.join(&registry, 1, ()), Err(KeyError::Settling));
        drop(one);
        new.join(&registry, 1, ()).unwrap();
    });
}

/// I3: look-ups that set a slot aside while its connection goes live, in two registries.
#[test]
fn i3_r21_set_aside_vs_go_live() {
    for conflict in [Conflict::Replace, Conflict::share_unbounded()] {
        model(move || {
            let one: Registry<u8, u8> = Registry::new(conflict);
            let two: Registry<u8, u8> = Registry::new(conflict);
            // Another one in set-up, so that there is a crowd to be set aside from.
            let mut beside = setup();
            beside.join(&one, 1, 2).unwrap();
            beside.join(&two, 2, 2).unwrap();
            let mut setup = setup();
            setup.join(&one, 1, 1).unwrap();
            setup.join(&two, 2, 1).unwrap();
            let reader = spawn({
                let (one, two) = (one.clone(), two.clone());
                move || {
                    let first = one.get(&1).is_some();
                    let second = two.count(&2) == 1;
                    assert!(first <= second, "in one, not yet in the other");
                }
            });
            let live = setup.go_live().unwrap();
            // Found by a look-up that begins after it is live, set aside or not.
            assert_eq!(one.get(&1).as_deref(), Some(&1));
            assert_eq!(two.members(&2).len(), 1);
            reader.join().unwrap();
            assert_eq!(one.get(&1).as_deref(), Some(&1));
            drop((live, beside));
            assert!(one.is_empty() && two.is_empty());
        });
    }
}

/// I3: a slot that is set aside, of a connection that is closed as it goes live.
#[test]
fn i3_set_aside_vs_go_live_vs_close_3() {
    model_3(2, || {
        let registry: Registry<u8, Arc<()>> = Registry::new(Conflict::share_unbounded());
        let value = Arc::new(());
        let (mut beside, mut setup) = (setup(), setup());
        beside.join(&registry, 1, Arc::clone(&value)).unwrap();
        setup.join(&registry, 1, Arc::clone(&value)).unwrap();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).is_ok()
        });
        let reader = spawn({
            let registry = registry.clone();
            move || drop(registry.get(&1))
        });
        drop(setup.go_live());
        closer.join().unwrap();
        reader.join().unwrap();
        assert!(registry.get(&1).is_none());
        settled(&handle);
        drop(beside);
        assert_eq!(Arc::strong_count(&value), 1, "a slot is left behind");
    });
}

/// I6, R20: of three who want the last two places two get them.
#[test]
fn i6_r20_three_joins_3() {
    model_3(3, || {
        let registry: Registry<u8, ()> = Registry::new(Conflict::share(2));
        let join = || {
            let registry = registry.clone();
            move || {
                let mut setup = setup();
                (setup.join(&registry, 1, ()), setup.go_live())
            }
        };
        let others = [spawn(join()), spawn(join())];
        let mine = join()();
        let [one, two] = others.map(|other| other.join().unwrap());
        let joined = [&mine.0, &one.0, &two.0]
            .iter()
            .filter(|joined| joined.is_ok())
            .count();
        assert_eq!((joined, registry.count(&1)), (2, 2));
        drop((mine, one, two));
    });
}

/// I6: a place that is given up can be taken, and never by two.
#[test]
fn i6_r20_join_vs_close_of_the_holder() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let mut holder = setup();
        holder.join(&registry, 1, 1).unwrap();
        let holder = holder.go_live().unwrap();
        let closing = spawn(move || holder.close(CloseReason::Idle).unwrap());
        let mut newcomer = setup();
        let joined = newcomer.join(&registry, 1, 2);
        let live = newcomer.go_live().unwrap();
        assert!(registry.count(&1) <= 1);
        closing.join().unwrap();
        match joined {
            Ok(()) => assert_eq!(registry.get(&1).as_deref(), Some(&2)),
            Err(error) => assert!(matches!(error, KeyError::Taken | KeyError::Settling)),
        }
        drop(live);
    });
}

/// I3: replacing leaves no gap and never shows two.
#[test]
fn i3_replace_vs_lookup() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let old = old.go_live().unwrap();
        let mut new = setup();
        new.join(&registry, 1, 2).unwrap();

        let switching = spawn(move || new.go_live().unwrap());
        let first = *registry.get(&1).expect("a gap");
        let second = *registry.members(&1)[0];
        let third = *registry.get(&1).expect("a gap");
        assert!(first <= second && second <= third, "the old one is back");
        assert_eq!(registry.count(&1), 1);
        let new = switching.join().unwrap();
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        let closed = settled(&old.handle()).closed;
        assert_eq!(closed.reason, CloseReason::Superseded);
        drop((old, new));
    });
}

/// I3: the same with two who replace: no gap, and nobody comes back.
#[test]
fn i3_replace_vs_replace_vs_lookup_3() {
    model_3(2, || {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let mut old = setup();
        old.join(&registry, 1, 0).unwrap();
        let old = old.go_live().unwrap();
        let newcomers = [1, 2].map(|n| {
            let mut setup = setup();
            setup.join(&registry, 1, n).unwrap();
            setup
        });
        let switching = newcomers.map(|new| spawn(move || new.go_live()));
        let first = *registry.get(&1).expect("a gap");
        let second = *registry.get(&1).expect("a gap");
        assert!(first <= second, "{first} is back");
        let live = switching.map(|new| new.join().unwrap());
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        drop((old, live));
    });
}

/// I5, R8: a newcomer under `Replace` that fails leaves the holder alone.
#[test]
fn i5_r8_replace_vs_close_of_the_newcomer() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let mut old = setup();
        old.join(&registry, 1, 1).unwrap();
        let old = old.go_live().unwrap();
        let mut new = setup();
        new.join(&registry, 1, 2).unwrap();
        let handle = new.handle();
        let closer = spawn(move || handle.close(CloseReason::Aborted).unwrap());
        let new = new.go_live();
        closer.join().unwrap();
        match new {
            Ok(_) => assert!(old.handle().state().is_closed()),
            Err(_) => assert_eq!(registry.get(&1).as_deref(), Some(&1)),
        }
    });
}

/// I5, R8: a connection that replaces others, is closed at once and whose key is
/// taken again does not touch its successor.
#[test]
fn i5_r8_replace_vs_successor() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let mut one = setup();
        one.join(&registry, 1, 1).unwrap();
        let handle = one.handle();
        let other = spawn({
            let registry = registry.clone();
            move || {
                _ = handle.close(CloseReason::Aborted);
                let mut successor = setup();
                successor.join(&registry, 1, 2).unwrap();
                successor
            }
        });
        drop(one.go_live());
        let successor = other.join().unwrap();
        let live = successor.go_live().expect("nobody closes the successor");
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        drop(live);
    });
}

/// Of two who replace the later reservation wins, whoever goes live first.
#[test]
fn i5_replace_vs_replace() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let (mut one, mut two) = (setup(), setup());
        one.join(&registry, 1, 1).unwrap();
        two.join(&registry, 1, 2).unwrap();
        let earlier = one.handle();
        let other = spawn(move || one.go_live());
        let two = two.go_live().expect("nobody closes the later one");
        let one = other.join().unwrap();
        assert_eq!(
            settled(&earlier).closed.reason,
            CloseReason::Superseded,
            "the earlier one ends"
        );
        assert_eq!(registry.get(&1).as_deref(), Some(&2));
        drop((one, two));
    });
}

/// I3, R14: closing by key while its holder goes live.
#[test]
fn i3_close_by_key_vs_go_live() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Reject);
        let (mut setup, undone) = counted();
        setup.join(&registry, 1, 1).unwrap();
        let other = spawn({
            let registry = registry.clone();
            move || registry.close(&1, CloseReason::Shutdown)
        });
        let live = setup.go_live();
        assert_eq!(other.join().unwrap(), 1);
        assert!(registry.is_empty());
        drop(live);
        assert_eq!(undone.get(), 1);
    });
}

/// Two keys in two shards, the one that is looked at first being the first.
fn in_two_shards() -> [u8; 2] {
    [0, 1].map(|shard| in_shard(shard).next().unwrap())
}

fn in_shard(shard: u64) -> impl Iterator<Item = u8> {
    // As the registry does it in a model.
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    (0..=u8::MAX).filter(move |key| (hasher.hash_one(key) >> 32) & 1 == shard)
}

/// I3: whoever is live all the time is yielded, once, whoever comes and goes meanwhile;
/// and nobody who is known to have gone.
#[test]
fn i3_iter_vs_go_live_and_close() {
    for passing in [0, 1] {
        model(move || {
            let registry: Registry<u8, u8> = Registry::new(Conflict::share(2));
            let keys = in_two_shards();
            let live = keys.map(|key| {
                let mut setup = setup();
                setup.join(&registry, key, 0).unwrap();
                setup.go_live().unwrap()
            });
            let closed = Signal::new();
            let other = spawn({
                let (registry, closed) = (registry.clone(), closed.clone());
                move || {
                    let mut setup = setup();
                    setup.join(&registry, keys[passing], 1).unwrap();
                    drop(setup.go_live());
                    closed.send();
                }
            });
            let mut iter = registry.iter();
            let mut found = Vec::new();
            loop {
                let gone = closed.is_sent();
                let Some((key, member)) = iter.next() else {
                    break;
                };
                assert!(*member == 0 || !gone, "visible after its close");
                found.push((key, *member));
            }
            for key in keys {
                assert_eq!(found.iter().filter(|&&it| it == (key, 0)).count(), 1);
            }
            assert!(found.len() <= 3);
            other.join().unwrap();
            drop(live);
        });
    }
}

/// I3: a key under which one replaces the other is yielded, once, also when that happens
/// after its shard was looked at.
#[test]
fn i3_iter_vs_replace() {
    model(|| {
        let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
        let [old, new] = [1, 2].map(|value| {
            let mut setup = setup();
            for key in in_shard(0).take(2) {
                setup.join(&registry, key, value).unwrap();
            }
            setup
        });
        let old = old.go_live().unwrap();
        let switching = spawn(move || new.go_live().unwrap());
        let mut iter = registry.iter();
        let first = iter.next().expect("a gap").0;
        // Or loom would not let the switch go first.
        yield_now();
        let second = iter.next().expect("a gap").0;
        assert!(first != second && iter.next().is_none());
        drop((switching.join().unwrap(), old));
    });
}

/// R14: closing by a condition goes through both shards, and closes nobody twice.
#[test]
fn r14_close_where_vs_close() {
    for closed in [0, 1] {
        model(move || {
            let registry: Registry<u8, ()> = Registry::new(Conflict::Reject);
            let setups = in_two_shards().map(|key| {
                let (mut setup, undone) = counted();
                setup.join(&registry, key, ()).unwrap();
                (setup, undone)
            });
            let handle = setups[closed].0.handle();
            let closer = spawn(move || handle.close(CloseReason::Idle).is_ok());
            let mine = registry.close_where(|_, ()| true, CloseReason::Shutdown);
            let others = closer.join().unwrap();
            assert_eq!(mine + usize::from(others), 2);
            for (setup, undone) in setups {
                let handle = setup.handle();
                drop(setup);
                settled(&handle);
                assert_eq!(undone.get(), 1);
            }
        });
    }
}

/// R14: nor does it miss one that goes live meanwhile, or touch one that it is not about.
#[test]
fn r14_close_where_vs_go_live() {
    model(|| {
        let registry: Registry<u8, ()> = Registry::new(Conflict::Reject);
        let keys = in_two_shards();
        let [spared, setup] = keys.map(|key| {
            let mut setup = setup();
            setup.join(&registry, key, ()).unwrap();
            setup
        });
        let handle = setup.handle();
        let other = spawn(move || setup.go_live());
        let closed = registry.close_where(|key, ()| *key == keys[1], CloseReason::Shutdown);
        assert_eq!(closed, 1);
        drop(other.join().unwrap());
        assert_eq!(settled(&handle).closed.reason, CloseReason::Shutdown);
        assert!(!spared.handle().state().is_closed());
    });
}

/// I3, R21: under two keys of one registry, in two shards, it appears and vanishes at once.
#[test]
fn i3_r21_two_shards() {
    model(|| {
        let registry: Registry<u8, ()> = Registry::new(Conflict::Reject);
        let keys = in_two_shards();
        let mut setup = setup();
        for key in keys {
            setup.join(&registry, key, ()).unwrap();
        }
        let owner = spawn(move || drop(setup.go_live()));
        let first = registry.contains(&keys[0]);
        let second = registry.len();
        let third = registry.contains(&keys[1]);
        // It comes and goes once.
        let seen = [first, second > 0, third];
        assert!(seen != [true, false, true], "it went and came back");
        owner.join().unwrap();
        assert!(registry.is_empty());
    });
}

/// I3: one that replaces another one under two keys leaves no gap under either.
#[test]
fn i3_replace_under_two_keys_vs_lookup() {
    for looked_up in [0, 1] {
        model(move || {
            let registry: Registry<u8, u8> = Registry::new(Conflict::Replace);
            let keys = in_two_shards();
            let [old, new] = [1, 2].map(|value| {
                let mut setup = setup();
                for key in keys {
                    setup.join(&registry, key, value).unwrap();
                }
                setup
            });
            let old = old.go_live().unwrap();
            let switching = spawn(move || new.go_live().unwrap());
            let first = *registry.get(&keys[looked_up]).expect("a gap");
            let second = *registry.get(&keys[looked_up]).expect("a gap");
            assert!(first <= second, "the old one is back");
            drop((switching.join().unwrap(), old));
        });
    }
}

/// I3: nor in either of two registries.
#[test]
fn i3_replace_in_two_registries_vs_lookup() {
    for looked_up in [0, 1] {
        model(move || {
            let registries = [(); 2].map(|()| Registry::<u8, u8>::new(Conflict::Replace));
            let [old, new] = [1, 2].map(|value| {
                let mut setup = setup();
                for registry in &registries {
                    setup.join(registry, 1, value).unwrap();
                }
                setup
            });
            let old = old.go_live().unwrap();
            let switching = spawn(move || new.go_live().unwrap());
            let first = *registries[looked_up].get(&1).expect("a gap");
            assert!(first >= 1);
            drop((switching.join().unwrap(), old));
        });
    }
}

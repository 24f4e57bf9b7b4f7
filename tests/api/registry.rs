use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use hangup::{CloseReason, Conflict, KeyError, Live, Registering, Registry, Scope};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

use crate::support::log::Log;
use crate::support::registering;

const SHARE_2: Conflict = Conflict::share(2);

fn join(registry: &Registry<&'static str, u32>, key: &'static str, value: u32) -> Registering {
    let mut setup = registering();
    setup.join(registry, key, value).unwrap();
    setup
}

fn joined(registry: &Registry<&'static str, u32>, key: &'static str, value: u32) -> Live {
    join(registry, key, value).go_live().unwrap()
}

fn values(registry: &Registry<&'static str, u32>, key: &'static str) -> Vec<u32> {
    registry
        .members(key)
        .iter()
        .map(|member| **member)
        .collect()
}

fn reason(live: &Live) -> Option<CloseReason> {
    live.handle().state().closed().map(|closed| closed.reason)
}

#[test]
fn a_member_is_visible_from_go_live_to_the_close() {
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let registry = Registry::new(conflict);
        let setup = join(&registry, "a", 1);
        assert!(registry.get("a").is_none());
        assert!(registry.is_empty());
        assert_eq!(registry.count("a"), 0);
        let live = setup.go_live().unwrap();
        let member = registry.get("a").unwrap();
        assert_eq!((*member, member.handle()), (1, &live.handle()));
        assert_eq!((registry.len(), registry.count("a")), (1, 1));
        assert!(!registry.is_empty());
        live.handle().close(CloseReason::Idle).unwrap();
        assert!(registry.get("a").is_none());
        assert!(registry.members("a").is_empty());
        assert_eq!((registry.len(), registry.count("a")), (0, 0));
        // The member that was found before is there for who has it.
        assert_eq!(*member, 1);
    }
}

#[test]
fn keys_are_looked_up_by_what_they_borrow() {
    let registry = Registry::<String, u32>::new(Conflict::Replace);
    let mut setup = registering();
    setup.join(&registry, "a".to_owned(), 1).unwrap();
    let _live = setup.go_live().unwrap();
    assert_eq!(*registry.get("a").unwrap(), 1);
    assert_eq!(registry.count("a"), 1);
    assert_eq!(registry.members("b").len(), 0);
    assert_eq!(registry.close("a", CloseReason::Idle), 1);
}

#[test]
fn replace_switches_over_at_go_live_and_closes_the_old_one() {
    let registry = Registry::new(Conflict::Replace);
    let old = joined(&registry, "a", 1);
    let setup = join(&registry, "a", 2);
    assert_eq!(values(&registry, "a"), [1]);
    assert_eq!(reason(&old), None);
    let new = setup.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [2]);
    assert_eq!(reason(&old), Some(CloseReason::Superseded));
    assert_eq!(reason(&new), None);
}

#[test]
fn under_replace_a_failed_newcomer_leaves_the_old_one_alone() {
    let registry = Registry::new(Conflict::Replace);
    let old = joined(&registry, "a", 1);
    drop(join(&registry, "a", 2));
    assert_eq!(values(&registry, "a"), [1]);
    assert_eq!(reason(&old), None);
}

#[test]
fn under_replace_the_later_reservation_wins() {
    let registry = Registry::new(Conflict::Replace);
    let earlier = join(&registry, "a", 1);
    let later = join(&registry, "a", 2);

    // The earlier one goes live first, and is replaced in its turn.
    let earlier = earlier.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [1]);
    let later = later.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [2]);
    assert_eq!(reason(&earlier), Some(CloseReason::Superseded));
    drop(later);

    // The later one goes live first, and the earlier one never does.
    let earlier = join(&registry, "a", 3);
    let later = join(&registry, "a", 4).go_live().unwrap();
    assert_eq!(
        earlier.go_live().unwrap_err().reason,
        CloseReason::Superseded
    );
    assert_eq!(values(&registry, "a"), [4]);
    assert_eq!(reason(&later), None);
}

#[test]
fn reject_refuses_while_the_key_is_held_even_by_one_in_set_up() {
    let registry = Registry::new(Conflict::Reject);
    let holder = join(&registry, "a", 1);
    let mut newcomer = registering();
    assert_eq!(newcomer.join(&registry, "a", 2), Err(KeyError::Taken));
    let holder = holder.go_live().unwrap();
    assert_eq!(newcomer.join(&registry, "a", 2), Err(KeyError::Taken));
    drop(holder);
    assert_eq!(newcomer.join(&registry, "a", 2), Ok(()));
    drop(newcomer.go_live().unwrap());
}

#[test]
fn share_refuses_beyond_the_cap_and_lists_in_the_order_of_joining() {
    let registry = Registry::new(SHARE_2);
    let first = join(&registry, "a", 1);
    let second = joined(&registry, "a", 2);
    let mut third = registering();
    assert_eq!(third.join(&registry, "a", 3), Err(KeyError::Full));
    assert_eq!(third.join(&registry, "b", 3), Ok(()));
    let first = first.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [1, 2]);
    assert_eq!(*registry.get("a").unwrap(), 2);
    assert_eq!((registry.len(), registry.count("a")), (2, 2));
    drop(first);
    assert_eq!(values(&registry, "a"), [2]);
    third.join(&registry, "a", 4).unwrap();
    let _third = third.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [2, 4]);
    assert_eq!(registry.len(), 3);
    drop(second);
}

#[test]
#[should_panic(expected = "a key that none may hold")]
fn a_cap_of_zero_is_none() {
    let _: Conflict = Conflict::share(0);
}

#[test]
fn a_key_without_a_cap_has_room() {
    let everyone = Registry::new(Conflict::share_unbounded());
    let lives: Vec<_> = (0..1000)
        .map(|value| {
            let mut setup = registering();
            setup.join(&everyone, (), value).unwrap();
            setup.go_live().unwrap()
        })
        .collect();
    let members = everyone.members(&());
    assert!(members.iter().map(|member| **member).eq(0..1000));
    assert_eq!(everyone.close(&(), CloseReason::Idle), lives.len());
}

#[test]
fn what_holds_a_key_is_waited_for() {
    let registry = Registry::new(SHARE_2);
    assert_ready!(task::spawn(registry.settled("a")).poll());
    let (one, two) = (join(&registry, "a", 1), joined(&registry, "a", 2));
    let other = join(&registry, "b", 1);
    let mut settled = task::spawn(registry.settled("a"));
    assert_pending!(settled.poll());
    registry.close("a", CloseReason::Idle);
    // A set-up settles when its owner is gone.
    assert_pending!(settled.poll());
    let late = joined(&registry, "b", 2);
    drop(one);
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
    drop((two, other, late));
}

#[test]
fn a_connection_holds_a_key_once() {
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let registry = Registry::new(conflict);
        let mut setup = join(&registry, "a", 1);
        assert_eq!(setup.join(&registry, "a", 2), Err(KeyError::AlreadyJoined));
        let again = assert_ready!(task::spawn(setup.take_over(&registry, "a", 2)).poll());
        assert_eq!(again, Err(KeyError::AlreadyJoined));
        setup.join(&registry, "b", 3).unwrap();
        let _live = setup.go_live().unwrap();
        assert_eq!(values(&registry, "a"), [1]);
        assert_eq!(values(&registry, "b"), [3]);
    }
}

#[test]
fn a_closed_connection_joins_nothing_and_holds_nothing() {
    let log = Log::default();
    let registry = Registry::new(Conflict::Reject);
    let mut setup = registering();
    setup.handle().close(CloseReason::Aborted).unwrap();
    let refused = setup.join(&registry, "a", log.on_drop("value dropped"));
    assert!(
        matches!(refused, Err(KeyError::Closed(closed)) if closed.reason == CloseReason::Aborted)
    );
    assert_eq!(log.entries(), ["value dropped"]);
    assert!(registry.get("a").is_none());
    registering().join(&registry, "a", log.on_drop("")).unwrap();
}

#[test]
fn close_ends_live_members_and_set_ups_under_the_key() {
    let registry = Registry::new(Conflict::share(9));
    let live = joined(&registry, "a", 1);
    let setup = join(&registry, "a", 2);
    let other = joined(&registry, "b", 3);
    assert_eq!(registry.close("a", CloseReason::App(9)), 2);
    assert_eq!(registry.close("a", CloseReason::App(9)), 0);
    assert_eq!(registry.close("none", CloseReason::App(9)), 0);
    assert_eq!(reason(&live), Some(CloseReason::App(9)));
    assert_eq!(setup.go_live().unwrap_err().reason, CloseReason::App(9));
    assert_eq!(reason(&other), None);
}

#[test]
fn take_over_returns_when_the_predecessor_has_settled() {
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let log = Log::default();
        let registry = Registry::new(conflict);
        let mut old = join(&registry, "a", 1);
        old.on_close(log.adds("old undone")).unwrap();
        let old_handle = old.handle();
        let mut old_step = task::spawn(old.run(std::future::pending::<()>()));
        assert_pending!(old_step.poll());

        let mut new = registering();
        let mut taking = task::spawn(new.take_over(&registry, "a", 2));
        // The old one is in a step: closed at once, undone when that stops.
        assert_pending!(taking.poll());
        assert_eq!(
            old_handle.state().closed().unwrap().reason,
            CloseReason::Superseded
        );
        assert!(log.entries().is_empty());
        assert!(old_step.is_woken());
        assert_ready!(old_step.poll()).unwrap_err();
        drop(old_step);
        drop(old);
        assert_eq!(log.entries(), ["old undone"]);
        assert!(taking.is_woken());
        assert_ready_ok!(taking.poll());
        drop(taking);
        let _new = new.go_live().unwrap();
        assert_eq!(values(&registry, "a"), [2]);
    }
}

#[test]
fn take_over_waits_also_for_one_that_had_closed_before() {
    let registry = Registry::new(Conflict::Replace);
    let mut old = join(&registry, "a", 1);
    let old_handle = old.handle();
    let mut old_step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(old_step.poll());
    old_handle.close(CloseReason::Aborted).unwrap();

    let mut new = registering();
    let mut taking = task::spawn(new.take_over(&registry, "a", 2));
    assert_pending!(taking.poll());
    drop(old_step);
    drop(old);
    assert!(taking.is_woken());
    assert_ready_ok!(taking.poll());
}

#[test]
fn of_two_take_overs_the_later_wins_and_the_earlier_is_superseded() {
    let registry = Registry::new(Conflict::Replace);
    let mut old = join(&registry, "a", 0);
    let mut old_step = task::spawn(old.run(std::future::pending::<()>()));
    assert_pending!(old_step.poll());

    let mut earlier = registering();
    let mut earlier_taking = task::spawn(earlier.take_over(&registry, "a", 1));
    assert_pending!(earlier_taking.poll());
    let mut later = registering();
    let mut later_taking = task::spawn(later.take_over(&registry, "a", 2));
    assert_pending!(later_taking.poll());

    assert!(earlier_taking.is_woken());
    let refused = assert_ready!(earlier_taking.poll()).unwrap_err();
    assert!(
        matches!(refused, KeyError::Closed(closed) if closed.reason == CloseReason::Superseded)
    );
    // The later one waits for both.
    assert_pending!(later_taking.poll());
    assert_ready!(old_step.poll()).unwrap_err();
    drop(old_step);
    drop(old);
    assert_pending!(later_taking.poll());
    drop(earlier_taking);
    drop(earlier);
    assert_ready_ok!(later_taking.poll());
    drop(later_taking);
    let _later = later.go_live().unwrap();
    assert_eq!(values(&registry, "a"), [2]);
}

#[test]
fn a_take_over_that_fails_is_gone_and_the_next_one_gets_the_key() {
    let registry = Registry::new(Conflict::Reject);
    let mut failed = registering();
    assert_ready_ok!(task::spawn(failed.take_over(&registry, "a", 1)).poll());
    drop(failed);
    let _next = joined(&registry, "a", 2);
    assert_eq!(values(&registry, "a"), [2]);
}

#[test]
fn a_registry_may_go_before_its_members() {
    let registry = Registry::new(Conflict::Replace);
    let live = joined(&registry, "a", 1);
    let setup = join(&registry, "a", 2);
    drop(registry);
    drop(setup.go_live().unwrap());
    drop(live);
}

#[test]
fn values_are_dropped_when_the_connection_settles_or_the_last_member_goes() {
    let registry = Registry::new(SHARE_2);
    let value = Arc::new(());
    let mut lives = Vec::new();
    for _ in 0..2 {
        let mut setup = registering();
        setup.join(&registry, "a", Arc::clone(&value)).unwrap();
        lives.push(setup.go_live().unwrap());
    }
    let kept = registry.get("a").unwrap();
    drop(lives);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(kept);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_connection_of_one_scope_may_join_registries_of_another() {
    let registry = Registry::new(SHARE_2);
    let (first, second) = (Scope::new(), Scope::new());
    let mut lives = Vec::new();
    for scope in [&first, &second] {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, "a", 1).unwrap();
        lives.push(setup.go_live().unwrap());
    }
    assert_eq!(registry.count("a"), 2);
    first.close_all(CloseReason::Shutdown);
    assert_eq!(registry.count("a"), 1);
}

#[test]
fn values_are_gone_once_settled_while_the_owner_stands() {
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let registry = Registry::new(conflict);
        let value = Arc::new(());
        let mut setup = registering();
        setup.join(&registry, "a", Arc::clone(&value)).unwrap();
        let setup = setup.go_live().unwrap();
        setup.handle().close(CloseReason::Aborted).unwrap();
        assert_ready!(task::spawn(setup.handle().settled()).poll());
        assert_eq!(Arc::strong_count(&value), 1, "{conflict:?}");
        drop(setup);
    }
}

#[test]
fn keys_and_values_whose_drop_panics_are_reported_and_leave_all_the_same() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Bomb(&'static str);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("{}", self.0);
            }
        }
    }
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let registry = Registry::new(conflict);
        let scope = Scope::new();
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, Bomb("key"), Bomb("value")).unwrap();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        handle.close(CloseReason::Idle).unwrap();
        assert!(registry.is_empty());
        let settled = assert_ready!(task::spawn(handle.settled()).poll());
        // Both are dropped at once, and the second does not panic during the first.
        assert_eq!(settled.panics, ["key"], "{conflict:?}");
        assert_eq!(scope.stats().panics, 1, "{conflict:?}");
        drop(live);
    }
}

#[test]
fn iter_and_keys_show_what_is_live() {
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let registry = Registry::new(conflict);
        let _in_set_up = join(&registry, "a", 1);
        let mut lives = vec![joined(&registry, "b", 2), joined(&registry, "c", 3)];
        if conflict == SHARE_2 {
            lives.push(joined(&registry, "b", 4));
        }
        let mut found: Vec<_> = registry.iter().map(|(key, value)| (key, *value)).collect();
        found.sort_unstable();
        let shared = (conflict == SHARE_2).then_some(("b", 4));
        let expected = [Some(("b", 2)), shared, Some(("c", 3))];
        assert_eq!(found, expected.into_iter().flatten().collect::<Vec<_>>());
        let mut keys: Vec<_> = registry.keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["b", "c"]);
        assert!(registry.contains("b") && !registry.contains("a") && !registry.contains("d"));
        drop(lives);
        assert_eq!((registry.iter().count(), registry.keys().count()), (0, 0));
    }
}

#[test]
fn iter_passes_over_who_closes_meanwhile() {
    let registry = Registry::new(Conflict::share(9));
    let lives: Vec<_> = (0..9).map(|value| joined(&registry, "a", value)).collect();
    let mut iter = registry.iter();
    assert!(iter.next().is_some());
    drop(lives);
    assert!(iter.next().is_none());
}

/// Hashes are the user's, and may all be the same.
#[test]
fn keys_whose_hashes_collide_are_told_apart() {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Key(u8);
    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            0.hash(state);
        }
    }
    const KEYS: u8 = 5;
    for conflict in [Conflict::Replace, Conflict::Reject, SHARE_2] {
        let in_use = Arc::new(Mutex::new(Vec::new()));
        let (first, last) = (Arc::clone(&in_use), Arc::clone(&in_use));
        let registry = Registry::builder(conflict)
            .remember_closes(9)
            .on_first(move |key: &Key| first.lock().unwrap().push(*key))
            .on_last(move |key| last.lock().unwrap().retain(|used| used != key))
            .build();
        let value = Arc::new(());
        let connect = |key| {
            let mut setup = registering();
            setup
                .join(&registry, Key(key), (key, Arc::clone(&value)))
                .unwrap();
            setup.go_live().unwrap()
        };
        let mut lives: Vec<_> = (0..KEYS).map(connect).collect();
        // One leaves, one is replaced if it can be, and the others never notice.
        lives.remove(2).close(CloseReason::Idle).unwrap();
        if conflict == Conflict::Replace {
            lives.push(connect(3));
        }
        for key in 0..KEYS {
            let found = registry.get(&Key(key)).map(|member| member.0);
            assert_eq!(found, (key != 2).then_some(key), "{conflict:?}");
            let gone = registry.last_close(&Key(key)).map(|closed| closed.reason);
            let replaced = key == 3 && conflict == Conflict::Replace;
            let superseded = replaced.then_some(CloseReason::Superseded);
            assert_eq!(gone, (key == 2).then_some(CloseReason::Idle).or(superseded));
        }
        assert_eq!(*in_use.lock().unwrap(), [Key(0), Key(1), Key(3), Key(4)]);
        assert_eq!(registry.close(&Key(0), CloseReason::Idle), 1);
        assert_eq!(registry.len(), 3);
        drop(lives);
        assert!(registry.is_empty());
        assert_eq!(Arc::strong_count(&value), 1, "{conflict:?}");
        assert_eq!(*in_use.lock().unwrap(), []);
    }
}

fn join_number(registry: &Registry<u32, u32>, number: u32) -> Live {
    let mut setup = registering();
    setup.join(registry, number, number).unwrap();
    setup.go_live().unwrap()
}

/// In the middle of a switch, when the old one is still open.
#[test]
fn under_replace_only_the_newest_is_shown() {
    let (by_name, by_id) = (
        Registry::new(Conflict::Replace),
        Registry::new(Conflict::Replace),
    );
    let mut old_name = join(&by_name, "ada", 1);
    let old_id = joined(&by_id, "7", 1);
    let seen = Arc::new(OnceLock::new());
    old_name
        .on_close({
            let (by_id, old_id, seen) = (by_id.clone(), old_id.handle(), Arc::clone(&seen));
            move || {
                assert!(old_id.state().is_live());
                let found: Vec<_> = by_id.iter().map(|(key, value)| (key, *value)).collect();
                let keys: Vec<_> = by_id.keys().collect();
                seen.set((found, keys, by_id.len(), by_id.count("7")))
                    .unwrap();
            }
        })
        .unwrap();
    let old_name = old_name.go_live().unwrap();
    let mut new = join(&by_name, "ada", 2);
    new.join(&by_id, "7", 2).unwrap();
    let new = new.go_live().unwrap();
    assert_eq!(seen.get(), Some(&(vec![("7", 2)], vec!["7"], 1, 1)));
    drop((old_name, old_id, new));
}

#[test]
fn close_where_closes_who_matches_those_in_set_up_included() {
    let registry = Registry::new(SHARE_2);
    let live = joined(&registry, "a", 1);
    let setup = join(&registry, "a", 2);
    let other = joined(&registry, "b", 2);
    let closed = registry.close_where(|_, value| *value == 2, CloseReason::App(1));
    assert_eq!(closed, 2);
    assert_eq!(setup.go_live().unwrap_err().reason, CloseReason::App(1));
    assert_eq!(
        (reason(&live), reason(&other)),
        (None, Some(CloseReason::App(1)))
    );
    assert_eq!(
        registry.close_where(|key, _| *key == "a", CloseReason::Idle),
        1
    );
    assert_eq!(registry.close_where(|_, _| true, CloseReason::Idle), 0);
}

/// A condition that panics has closed whom it had found before, and no more.
#[test]
fn close_where_survives_a_condition_that_panics() {
    let registry = Registry::new(SHARE_2);
    let lives = [
        joined(&registry, "a", 1),
        joined(&registry, "b", 2),
        joined(&registry, "c", 3),
    ];
    let mut asked = 0;
    let closing = std::panic::AssertUnwindSafe(|| {
        registry.close_where(
            |_, _| {
                asked += 1;
                assert!(asked < 2, "condition");
                true
            },
            CloseReason::Idle,
        )
    });
    assert!(std::panic::catch_unwind(closing).is_err());
    assert_eq!(registry.len(), 2);
    drop(lives);
    assert!(registry.is_empty());
}

#[test]
fn one_connection_may_hold_several_keys_and_none_twice() {
    let (one, two) = (Registry::new(SHARE_2), Registry::new(SHARE_2));
    let mut setup = registering();
    for key in ["a", "b", "c"] {
        setup.join(&one, key, 1).unwrap();
        setup.join(&two, key, 2).unwrap();
        assert_eq!(setup.join(&one, key, 3), Err(KeyError::AlreadyJoined));
    }
    let live = setup.go_live().unwrap();
    assert_eq!((one.len(), two.len()), (3, 3));
    assert_eq!(one.close_where(|_, _| true, CloseReason::Idle), 1);
    assert!(one.is_empty() && two.is_empty());
    drop(live);
}

/// Thousands under one key come and go in any order at the price of a few.
#[test]
fn many_share_one_key() {
    const MANY: u32 = 20_000;
    let registry = Registry::new(Conflict::share_unbounded());
    let mut lives: Vec<_> = (0..MANY)
        .map(|value| joined(&registry, "a", value))
        .collect();
    assert_eq!(registry.count("a"), MANY as usize);
    assert_eq!(*registry.get("a").unwrap(), MANY - 1);
    // From the middle outwards, so that the order of what is left can be told.
    let mut index = 0;
    lives.retain(|_| {
        index += 1;
        index % 1000 == 1
    });
    let expected: Vec<_> = (0..MANY).step_by(1000).collect();
    assert_eq!(values(&registry, "a"), expected);
    lives.reverse();
    drop(lives);
    assert!(registry.is_empty());
}

#[test]
fn a_registry_that_is_gone_keeps_nothing_that_has_settled() {
    let registry = Registry::new(Conflict::Replace);
    let value = Arc::new(());
    let mut setup = registering();
    setup.join(&registry, "a", Arc::clone(&value)).unwrap();
    let live = setup.go_live().unwrap();
    let member = registry.get("a").unwrap();
    drop(registry);
    assert!(member.handle().state().is_live());
    member.handle().close(CloseReason::Idle).unwrap();
    drop(member);
    assert_eq!(Arc::strong_count(&value), 1);
    drop(live);
}

/// The key of one that is replaced is live all the time.
#[test]
fn iter_and_keys_miss_no_key_that_changes_hands_meanwhile() {
    let registry = Registry::new(Conflict::Replace);
    let connect_all = || (0..1000).map(|number| join_number(&registry, number));
    let mut lives: Vec<_> = connect_all().collect();
    let (mut keys, mut iter) = (registry.keys(), registry.iter());
    let (first_key, first) = (keys.next().unwrap(), iter.next().unwrap());
    lives.extend(connect_all());
    let mut all_keys: Vec<_> = keys.chain([first_key]).collect();
    all_keys.sort_unstable();
    let mut all: Vec<_> = iter.chain([first]).map(|(key, _)| key).collect();
    all.sort_unstable();
    let expected: Vec<_> = (0..1000).collect();
    assert_eq!((all_keys, all), (expected.clone(), expected));
}

/// A client that reconnects while its set-up is slow costs no more each time.
#[test]
fn many_set_ups_replace_one_after_the_other() {
    const MANY: u32 = 20_000;
    let registry = Registry::new(Conflict::Replace);
    let setups: Vec<_> = (0..MANY).map(|value| join(&registry, "a", value)).collect();
    let mut lives = Vec::new();
    for (number, setup) in setups.into_iter().enumerate() {
        if number % 1000 == 0 {
            lives.push(setup.go_live().unwrap());
            assert_eq!(values(&registry, "a"), [number as u32]);
        }
    }
    let superseded = lives
        .iter()
        .filter(|live| reason(live) == Some(CloseReason::Superseded));
    assert_eq!(superseded.count(), lives.len() - 1);
}

/// All keys have the same hash: they share a shard and collide in its table.
#[test]
fn a_hasher_of_ones_own_is_used_and_may_be_as_bad_as_it_likes() {
    #[derive(Clone, Default)]
    struct Same;
    impl Hasher for Same {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, _: &[u8]) {}
    }
    impl std::hash::BuildHasher for Same {
        type Hasher = Self;
        fn build_hasher(&self) -> Self {
            Self
        }
    }

    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let built = Registry::builder(Conflict::Replace)
        .on_first(move |key| first.add(format!("first {key}")))
        .on_last(move |key| last.add(format!("last {key}")))
        .remember_closes(10)
        .hasher(Same)
        .build();
    for registry in [Registry::with_hasher(Conflict::Replace, Same), built] {
        let lives: Vec<_> = (0..50)
            .map(|key| {
                let mut setup = registering();
                setup.join(&registry, key, key).unwrap();
                setup.go_live().unwrap()
            })
            .collect();
        assert_eq!(registry.len(), lives.len());
        let successor = {
            let mut setup = registering();
            assert_ready_ok!(task::spawn(setup.take_over(&registry, 7, 70)).poll());
            setup.go_live().unwrap()
        };
        for key in 0..50 {
            let expected = if key == 7 { 70 } else { key };
            assert_eq!(*registry.get(&key).unwrap(), expected);
        }
        assert_eq!(registry.close(&8, CloseReason::Idle), 1);
        assert!(registry.get(&8).is_none() && registry.get(&9).is_some());
        drop((lives, successor));
        assert!(registry.is_empty());
    }
    // The hooks and the memory of the builder are kept.
    assert_eq!(log.entries().len(), 100);
}

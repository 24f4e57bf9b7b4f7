//! Code of the user that runs as the last slot of a registry, or the last of a key, is dropped.

use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hangup::{CloseReason, Conflict, Handle, KeyError, Live, Registry, Scope};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::registering;

/// Panics as it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

fn panics(live: &Live) -> Vec<String> {
    live.handle().try_settled().unwrap().panics
}

/// A registry with what panics as the registry is dropped.
fn bomb_registry<V>(conflict: Conflict) -> Registry<usize, V> {
    let bomb = Bomb("registry");
    Registry::builder(conflict)
        .on_last(move |_| _ = &bomb)
        .build()
}

#[test]
fn a_batch_reports_its_last_value_and_the_registry_that_goes_with_it() {
    let scope = Scope::new();
    let registry = bomb_registry(Conflict::Reject);
    let lives: Vec<_> = (0..3)
        .map(|key| {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.join(&registry, key, Bomb("value")).unwrap();
            setup.go_live().unwrap()
        })
        .collect();
    drop(registry);
    assert_eq!(scope.close_all(CloseReason::Shutdown), 3);
    let mut reported: Vec<_> = lives.iter().flat_map(panics).collect();
    reported.sort_unstable();
    assert_eq!(reported, ["registry", "value", "value", "value"]);
    assert_eq!((scope.stats().panics, scope.stats().settling), (4, 0));
}

/// One place, several in one registry, one in each of several registries; and more registries
/// than a batch tells apart.
#[test]
fn a_batch_reports_each_value_to_the_connection_that_brought_it() {
    for registries in [1, 2, 5] {
        for several in [1, 2] {
            let scope = Scope::new();
            let all: Vec<Registry<usize, Bomb>> = (0..registries)
                .map(|_| Registry::new(Conflict::Reject))
                .collect();
            let lives: Vec<_> = (0..20)
                .map(|number| {
                    let mut setup = scope.open().unwrap().register().unwrap();
                    for place in 0..several {
                        let registry = &all[(number + place) % registries];
                        let key = several * number + place;
                        setup.join(registry, key, Bomb("value")).unwrap();
                    }
                    setup.go_live().unwrap()
                })
                .collect();
            assert_eq!(scope.close_all(CloseReason::Shutdown), 20);
            for live in &lives {
                assert_eq!(panics(live), vec!["value"; several]);
            }
            assert_eq!(scope.stats().panics, 20 * several as u64);
            // None is kept: the registries drop no bomb.
            assert!(all.iter().all(Registry::is_empty));
        }
    }
}

/// Closes its connection as it is written, and then may panic.
struct Key {
    closes: Handle,
    panics: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.closes.close(CloseReason::Idle);
        assert!(!self.panics, "key");
        write!(f, "{closed:?}")
    }
}

impl PartialEq for Key {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[test]
fn values_that_a_look_at_the_keys_drops_may_panic() {
    for panics in [false, true] {
        let scope = Scope::new();
        let named = Registry::builder(Conflict::Reject).name("named").build();
        let nameless = Registry::new(Conflict::Reject);
        let mut setup = scope.open().unwrap().register().unwrap();
        let handle = setup.handle();
        setup.join(&nameless, 1, Bomb("nameless")).unwrap();
        let closes = handle.clone();
        setup
            .join(&named, Key { closes, panics }, Bomb("named"))
            .unwrap();
        let live = setup.go_live().unwrap();
        let keys = catch_unwind(AssertUnwindSafe(|| handle.keys()));
        assert_eq!(keys.is_err(), panics);
        match keys {
            Ok(keys) => assert_eq!(keys[0].key, "Ok(())"),
            Err(panic) => assert_eq!(panic.downcast_ref(), Some(&"key")),
        }
        assert!(named.is_empty() && nameless.is_empty());
        assert!(handle.try_settled().is_some());
        assert_eq!(scope.stats().panics, 2);
        drop(live);
    }
}

/// The same keys have the same places in both registries.
#[test]
fn places_that_are_alike_in_two_registries_are_told_apart() {
    type Alike = Registry<usize, usize, BuildHasherDefault<DefaultHasher>>;
    const MANY: usize = 30;
    let [one, other]: [Alike; 2] = std::array::from_fn(|_| {
        Registry::with_hasher(Conflict::share(3), BuildHasherDefault::default())
    });
    let mut setup = registering();
    for key in 0..MANY {
        setup.join(&one, key, 0).unwrap();
    }
    for key in 0..MANY {
        setup.join(&other, key, 0).unwrap();
        let mut holder = registering();
        holder.join(&one, MANY + key, 0).unwrap();
        let passed = std::future::ready(());
        let mut taking = task::spawn(setup.take_over(&one, MANY + key, 0).deadline(passed));
        assert_ready_eq!(taking.poll(), Err(KeyError::TimedOut));
        drop(taking);
        let mut taking = task::spawn(setup.take_over(&one, MANY + key, 0));
        assert_pending!(taking.poll());
        drop(taking);
        drop(holder);
        for key in 0..MANY {
            assert_eq!(setup.join(&one, key, 0), Err(KeyError::AlreadyJoined));
        }
    }
    drop(setup);
    assert!(one.is_empty() && other.is_empty());
}

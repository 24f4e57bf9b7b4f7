//! Many connections that end together, in batches.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hangup::report::{ConnectionId, Settled, Transition};
use hangup::{CloseReason, Conflict, Handle, Live, Observer, Registry, Scope};

/// More than are closed at a time.
const MANY: usize = 2_500;

fn closed(scope: &Scope) -> u64 {
    scope.stats().closed_as(CloseReason::Shutdown)
}

/// With all that a removal may have to do: hooks, a record of the last close, several under a
/// key, several registries of a connection.
fn every_place_is_given_back(registries: usize) {
    let (scope, uses) = (Scope::new(), Arc::new(AtomicUsize::new(0)));
    let registry = |number: usize| -> Registry<usize, Arc<()>> {
        let builder = Registry::builder(Conflict::share(MANY));
        let (first, last) = (Arc::clone(&uses), Arc::clone(&uses));
        match number {
            0 => builder.remember_closes(MANY).build(),
            1 => builder
                .on_first(move |_| _ = first.fetch_add(1, Ordering::Relaxed))
                .on_last(move |_| _ = last.fetch_sub(1, Ordering::Relaxed))
                .build(),
            _ => builder.build(),
        }
    };
    let registries: Vec<_> = (0..registries).map(registry).collect();
    let place = Arc::new(());
    // Those in the first registry.
    let mut keys = HashSet::new();
    let mut connect = |number: usize| {
        let mut setup = scope.open().unwrap().register().unwrap();
        let several = if number % 10 == 0 { 2 } else { 1 };
        for registry in 0..several {
            let index = (number + registry) % registries.len();
            let key = if number % 7 == 0 { 0 } else { number };
            setup
                .join(&registries[index], key, Arc::clone(&place))
                .unwrap();
            if index == 0 {
                keys.insert(key);
            }
        }
        setup.go_live().unwrap()
    };
    let lives: Vec<_> = (0..MANY).map(&mut connect).collect();
    assert_eq!(Arc::strong_count(&place), 1 + MANY + MANY / 10);
    assert!(uses.load(Ordering::Relaxed) > 100);

    assert_eq!(scope.close_all(CloseReason::Shutdown), MANY);

    assert_eq!(Arc::strong_count(&place), 1);
    assert_eq!(uses.load(Ordering::Relaxed), 0);
    let remembered = (0..MANY).filter(|key| registries[0].last_close(key).is_some());
    assert_eq!(remembered.count(), keys.len());
    assert_eq!((closed(&scope), scope.stats().settling), (MANY as u64, 0));
    drop(lives);
}

#[test]
fn every_place_is_given_back_in_few_registries() {
    every_place_is_given_back(3);
}

/// More than a batch tells apart.
#[test]
fn every_place_is_given_back_in_many_registries() {
    every_place_is_given_back(20);
}

/// It closes another connection, or panics, as it is dropped.
enum Value {
    Closes(Handle),
    Panics,
    Nothing,
}

impl Drop for Value {
    fn drop(&mut self) {
        match self {
            Self::Closes(other) => _ = other.close(CloseReason::Aborted),
            Self::Panics => panic!("the value"),
            Self::Nothing => {}
        }
    }
}

#[test]
fn a_value_that_panics_or_closes_others_as_it_is_dropped_is_in_the_way_of_none() {
    let (scope, elsewhere) = (Scope::new(), Scope::new());
    let registry = Registry::new(Conflict::Reject);
    let connect = |scope: &Scope, number: usize, value: Value| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, number, value).unwrap();
        setup.go_live().unwrap()
    };
    // Each one closes the one before it: a chain that is longer than the stack may be deep.
    let mut chain: Vec<Live> = Vec::new();
    for number in 0..MANY {
        let before = chain.last().map(Live::handle);
        let value = before.map_or(Value::Nothing, Value::Closes);
        chain.push(connect(&elsewhere, MANY + number, value));
    }
    let last = chain[MANY - 1].handle();
    let lives: Vec<_> = (0..MANY)
        .map(|number| {
            let value = match number {
                500 => Value::Closes(last.clone()),
                _ if number % 100 == 0 => Value::Panics,
                _ => Value::Nothing,
            };
            connect(&scope, number, value)
        })
        .collect();

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let closed_now = scope.close_all(CloseReason::Shutdown);
    std::panic::set_hook(hook);

    assert_eq!(closed_now, MANY);
    assert!(registry.is_empty());
    assert_eq!((closed(&scope), scope.stats().settling), (MANY as u64, 0));
    let aborted = elsewhere.stats().closed_as(CloseReason::Aborted);
    assert_eq!((aborted, elsewhere.stats().settling), (MANY as u64, 0));
    for (number, live) in lives.iter().enumerate() {
        let panics = live.handle().try_settled().unwrap().panics;
        let expected: &[String] = match number {
            500 => &[],
            _ if number % 100 == 0 => &["the value".to_owned()],
            _ => &[],
        };
        assert_eq!(panics, expected, "{number}");
    }
}

/// What the user gave to a registry is dropped with the last place there.
#[test]
fn a_registry_that_panics_as_it_is_dropped_is_in_the_way_of_none() {
    let scope = Scope::new();
    let bomb = Value::Panics;
    let registry = Registry::builder(Conflict::Reject)
        .on_first(move |_| assert!(matches!(bomb, Value::Panics)))
        .build();
    let connect = |number: usize| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, number, ()).unwrap();
        setup.go_live().unwrap()
    };
    let lives: Vec<_> = (0..MANY).map(connect).collect();
    drop(registry);

    assert_eq!(scope.close_all(CloseReason::Shutdown), MANY);

    assert_eq!((closed(&scope), scope.stats().settling), (MANY as u64, 0));
    let panics = lives.iter().filter_map(|live| live.handle().try_settled());
    assert_eq!(panics.flat_map(|settled| settled.panics).count(), 1);
}

/// Takes the key of each connection that has settled.
struct Successors {
    keys: Arc<Mutex<HashMap<ConnectionId, usize>>>,
    registry: Registry<usize, ()>,
    scope: Scope,
    taken: Arc<AtomicUsize>,
}

impl Observer for Successors {
    fn on_transition(&self, _: &Handle, _: &Transition) {}

    fn on_settled(&self, connection: &Handle, _: &Settled) {
        let key = self.keys.lock().unwrap()[&connection.id()];
        let mut setup = self.scope.open().unwrap().register().unwrap();
        if setup.join(&self.registry, key, ()).is_ok() {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// I5: what has settled holds no key.
#[test]
fn one_that_is_told_to_have_settled_has_given_its_key_back() {
    let (keys, taken) = (Arc::default(), Arc::default());
    let registry = Registry::new(Conflict::Reject);
    let successors = Successors {
        keys: Arc::clone(&keys),
        registry: registry.clone(),
        scope: Scope::new(),
        taken: Arc::clone(&taken),
    };
    let scope = Scope::builder().observer(successors).build();
    let connect = |key: usize| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&registry, key, ()).unwrap();
        keys.lock().unwrap().insert(setup.id(), key);
        setup.go_live().unwrap()
    };
    let lives: Vec<_> = (0..MANY).map(connect).collect();
    assert_eq!(scope.close_all(CloseReason::Shutdown), MANY);
    assert_eq!(taken.load(Ordering::Relaxed), MANY);
    drop(lives);
}

//! What the user's code does while a call closes many, and what others do beside it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::StreamExt;
use hangup::report::{ConnectionId, Settled, Transition};
use hangup::{
    CloseReason, Conflict, Handle, KeyError, Live, Observer, Registering, Registry, Scope,
};
use tokio_test::{assert_pending, assert_ready, task};

/// More than are closed at a time.
const MANY: usize = 2_500;

/// As large as that of a tokio worker.
const STACK: usize = 2 * 1024 * 1024;

fn setup(scope: &Scope) -> Registering {
    scope.open().unwrap().register().unwrap()
}

fn in_registry<V>(scope: &Scope, registry: &Registry<usize, V>, key: usize, value: V) -> Live
where
    V: Send + Sync + 'static,
{
    let mut setup = setup(scope);
    setup.join(registry, key, value).unwrap();
    setup.go_live().unwrap()
}

fn closed(scope: &Scope, reason: CloseReason) -> usize {
    usize::try_from(scope.stats().closed_as(reason)).unwrap()
}

/// Calls a closure as it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

type Callback = OnDrop<Box<dyn FnMut() + Send + Sync>>;

/// Calls a closure when it is woken.
struct OnWake(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().unwrap().take();
        call.into_iter().for_each(|call| call());
    }
}

/// An undo may take long: those that were closed before it have settled.
#[test]
fn an_undo_keeps_none_from_settling_but_its_own_connection() {
    let scope = Scope::new();
    let below = scope.child().build();
    let registry: Registry<usize, ()> = Registry::new(Conflict::Reject);
    let handles: Arc<Mutex<Vec<Handle>>> = Arc::default();
    let (looks, mut lives) = (Arc::new(AtomicUsize::new(0)), Vec::new());
    for key in 0..MANY {
        let live = in_registry(&scope, &registry, key, ());
        handles.lock().unwrap().push(live.handle());
        lives.push(live);
        if key % 50 > 0 {
            continue;
        }
        let mut slow = setup(if key % 100 == 0 { &scope } else { &below });
        let (handles, looks) = (Arc::clone(&handles), Arc::clone(&looks));
        slow.on_close(move || {
            for handle in &*handles.lock().unwrap() {
                if handle.state().closed().is_some() {
                    assert!(handle.try_settled().is_some(), "{handle:?}");
                    looks.fetch_add(1, SeqCst);
                }
            }
        })
        .unwrap();
        lives.push(slow.go_live().unwrap());
    }
    assert_eq!(scope.close_all(CloseReason::Shutdown), lives.len());
    assert_eq!(scope.stats().panics, 0);
    assert!(looks.load(SeqCst) > MANY);
}

/// A waker finds a connection that is closed and holds its key still: it waits for that one,
/// and for its key.
#[test]
fn a_wait_and_a_take_over_that_begin_in_between_end_with_the_call() {
    let (scope, elsewhere) = (Scope::new(), Scope::new());
    let registry: Registry<usize, ()> = Registry::new(Conflict::Reject);
    let handles: Arc<Mutex<Vec<Handle>>> = Arc::default();
    let (found, finds) = mpsc::channel();
    let (mut lives, mut probed) = (Vec::new(), Vec::new());
    for key in 0..MANY {
        let live = in_registry(&scope, &registry, key, ());
        handles.lock().unwrap().push(live.handle());
        lives.push(live);
        if key % 50 > 0 {
            continue;
        }
        let (handles, found) = (Arc::clone(&handles), found.clone());
        let (registry, elsewhere) = (registry.clone(), elsewhere.clone());
        let probe = move || {
            let handles = handles.lock().unwrap();
            let is_between = |key: &usize| {
                let handle = &handles[*key];
                handle.state().closed().is_some() && handle.try_settled().is_none()
            };
            // Another key than the probe before.
            let Some(key) = (key + 1..handles.len().min(key + 50)).find(is_between) else {
                return;
            };
            let mut wait = task::spawn(handles[key].settled());
            assert_pending!(wait.poll());
            assert!(registry.get(&key).is_none());
            assert_eq!(registry.close(&key, CloseReason::Aborted), 0);
            let mut successor = setup(&elsewhere);
            assert_eq!(successor.join(&registry, key, ()), Err(KeyError::Settling));
            let mut taking = task::spawn(Box::pin({
                let registry = registry.clone();
                async move {
                    let taken = successor.take_over(&registry, key, ()).await.unwrap();
                    (taken, successor.go_live().unwrap())
                }
            }));
            assert_pending!(taking.poll());
            found.send((key, wait, taking)).unwrap();
        };
        let live = setup(&scope).go_live().unwrap();
        probed.push(live.stream(futures::stream::pending::<()>()));
        let waker = Waker::from(Arc::new(OnWake(Mutex::new(Some(Box::new(probe))))));
        let stream = probed.last_mut().unwrap();
        assert!(
            stream
                .poll_next_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(found);

    let closed_now = scope.close_all(CloseReason::Shutdown);
    assert_eq!(closed_now, lives.len() + probed.len());

    assert_eq!(scope.stats().settling, 0);
    let finds: Vec<_> = finds.try_iter().collect();
    assert!(finds.len() > 10, "{}", finds.len());
    let panics = lives
        .iter()
        .map(|live| live.handle().try_settled().unwrap().panics);
    assert_eq!(panics.flatten().collect::<Vec<_>>(), [""; 0]);
    for (key, mut wait, mut taking) in finds {
        assert!(wait.is_woken() && taking.is_woken());
        assert_eq!(
            assert_ready!(wait.poll()).closed.reason,
            CloseReason::Shutdown
        );
        let (taken, successor) = assert_ready!(taking.poll());
        assert_eq!((taken.predecessors, taken.unclean), (1, 0));
        assert_eq!(registry.get(&key).unwrap().handle().id(), successor.id());
    }
    assert!(registry.is_empty());
}

/// A value closes all that are left as it is dropped, and takes its own key again.
#[test]
fn a_call_within_a_call_closes_what_is_left_and_loses_none() {
    let (scope, elsewhere) = (Scope::new(), Scope::new());
    let registry: Registry<usize, Callback> = Registry::new(Conflict::Reject);
    let (inner, taken) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    let connect = |key: usize| {
        let (whole, inner) = (scope.clone(), Arc::clone(&inner));
        let (elsewhere, keys) = (elsewhere.clone(), registry.clone());
        let taken: Arc<Mutex<Vec<Live>>> = Arc::clone(&taken);
        let dropped = move || {
            if key % 100 == 0 {
                inner.fetch_add(whole.close_all(CloseReason::Aborted), SeqCst);
                let successor = in_registry(&elsewhere, &keys, key, OnDrop(Box::new(|| ())));
                taken.lock().unwrap().push(successor);
            }
        };
        in_registry(&scope, &registry, key, OnDrop(Box::new(dropped) as Box<_>))
    };
    let lives: Vec<_> = (0..MANY).map(connect).collect();

    let outer = scope.close_all(CloseReason::Shutdown);

    let inner = inner.load(SeqCst);
    assert!(inner > 0);
    assert_eq!(outer + inner, MANY);
    assert_eq!(closed(&scope, CloseReason::Shutdown), outer);
    assert_eq!(closed(&scope, CloseReason::Aborted), inner);
    assert_eq!(scope.stats().settling, 0);
    assert!(
        lives
            .iter()
            .all(|live| live.handle().try_settled().is_some())
    );
    let successors = std::mem::take(&mut *taken.lock().unwrap());
    assert_eq!(successors.len(), MANY / 100);
    assert_eq!(registry.len(), successors.len());
    drop(successors);
    assert!(registry.is_empty());
}

/// Each of a chain of scopes is closed by what the one before it holds in a registry.
#[test]
fn a_chain_of_calls_within_each_other_ends_on_a_small_stack() {
    const SCOPES: usize = 5_000;

    let registry: Registry<usize, Callback> = Registry::new(Conflict::Reject);
    let scopes: Vec<_> = (0..=SCOPES).map(|_| Scope::new()).collect();
    let lives: Vec<_> = (0..2 * SCOPES)
        .map(|key| {
            let next = scopes[key / 2 + 1].clone();
            let close = move || _ = next.close_all(CloseReason::Shutdown);
            in_registry(
                &scopes[key / 2],
                &registry,
                key,
                OnDrop(Box::new(close) as Box<_>),
            )
        })
        .collect();
    let first = scopes[0].clone();
    let closer = thread::Builder::new().stack_size(STACK);
    let call = move || first.close_all(CloseReason::Shutdown);
    assert_eq!(closer.spawn(call).unwrap().join().unwrap(), 2);

    assert!(registry.is_empty());
    assert!(
        lives
            .iter()
            .all(|live| live.handle().try_settled().is_some())
    );
}

/// Threads that close the same scope, and a scope below it, beside newcomers that want the keys.
#[test]
fn calls_beside_each_other_close_each_connection_once() {
    const THREADS: usize = 4;

    for _ in 0..8 {
        let above = Scope::builder().max_connections(2 * MANY).build();
        let below = above.child().build();
        let elsewhere = Scope::new();
        let registries = [Conflict::Reject, Conflict::Replace].map(Registry::new);
        let lives: Vec<_> = (0..2 * MANY)
            .map(|key| {
                let scope = if key % 3 == 0 { &below } else { &above };
                in_registry(scope, &registries[key % 2], key, ())
            })
            .collect();
        let begin = Barrier::new(THREADS + 1);
        let (closed_now, taken) = thread::scope(|threads| {
            let closers: Vec<_> = (0..THREADS)
                .map(|number| {
                    let scope = if number % 2 == 0 { &above } else { &below };
                    let begin = &begin;
                    threads.spawn(move || {
                        begin.wait();
                        scope.close_all(CloseReason::Shutdown)
                    })
                })
                .collect();
            let newcomers = threads.spawn(|| {
                begin.wait();
                let take = |key: usize| {
                    let mut setup = setup(&elsewhere);
                    let taking = setup.take_over(&registries[key % 2], key, ());
                    let taken = futures::executor::block_on(taking).unwrap();
                    assert!(taken.is_clean() && taken.predecessors <= 1);
                    setup.go_live().unwrap()
                };
                (0..2 * MANY).step_by(7).map(take).collect::<Vec<_>>()
            });
            let closed_now: usize = closers.into_iter().map(|it| it.join().unwrap()).sum();
            (closed_now, newcomers.join().unwrap())
        });
        let superseded = closed(&above, CloseReason::Superseded);
        assert_eq!(closed_now + superseded, 2 * MANY);
        assert_eq!(closed(&above, CloseReason::Shutdown), closed_now);
        assert_eq!((above.stats().settling, above.handles().len()), (0, 0));
        assert!(
            lives
                .iter()
                .all(|live| live.handle().try_settled().is_some())
        );
        let keys: usize = registries.iter().map(Registry::len).sum();
        assert_eq!(keys, taken.len());
        // Every place of the scope is free again.
        let again: Vec<_> = (0..2 * MANY).map(|_| above.open().unwrap()).collect();
        assert!(above.open().is_err());
        drop(again);
    }
}

/// A call in a drop that a panic runs.
#[test]
fn a_call_while_a_panic_unwinds_settles_all() {
    let scope = Scope::new();
    let registry: Registry<usize, Callback> = Registry::new(Conflict::Reject);
    let value = |key: usize| OnDrop(Box::new(move || assert!(key % 100 > 0)) as Box<_>);
    let lives: Vec<_> = (0..MANY)
        .map(|key| in_registry(&scope, &registry, key, value(key)))
        .collect();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _closes = OnDrop(|| assert_eq!(scope.close_all(CloseReason::Shutdown), MANY));
        panic!("the caller");
    }));
    assert!(unwound.is_err() && registry.is_empty());
    assert_eq!(
        (scope.stats().settling, scope.stats().panics),
        (0, MANY as u64 / 100)
    );
    drop(lives);
}

/// Closes all that are left as it is told that one has settled, and panics for some.
#[derive(Default)]
struct Restless {
    scope: Mutex<Option<Scope>>,
    inner: AtomicUsize,
    told: Mutex<HashMap<ConnectionId, Vec<&'static str>>>,
}

impl Restless {
    fn note(&self, connection: &Handle, what: &'static str) -> usize {
        let mut told = self.told.lock().unwrap();
        told.entry(connection.id()).or_default().push(what);
        told.len()
    }
}

impl Observer for Restless {
    fn on_transition(&self, connection: &Handle, transition: &Transition) {
        if transition.reason().is_some() {
            let number = self.note(connection, "closed");
            assert!(number % 90 > 0, "for some");
        }
    }

    fn on_settled(&self, connection: &Handle, _: &Settled) {
        self.note(connection, "settled");
        // The first time, most are open.
        let scope = self.scope.lock().unwrap().clone().unwrap();
        let closed = scope.close_all(CloseReason::Aborted);
        self.inner.fetch_add(closed, SeqCst);
        panic!("for all");
    }
}

#[test]
fn an_observer_that_panics_and_calls_again_is_told_of_each_once_and_in_order() {
    let observer = Arc::new(Restless::default());
    let scope = Scope::builder().observer(Arc::clone(&observer)).build();
    *observer.scope.lock().unwrap() = Some(scope.clone());
    let registry = Registry::new(Conflict::Reject);
    let lives: Vec<_> = (0..MANY)
        .map(|key| in_registry(&scope, &registry, key, ()))
        .collect();

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outer = scope.close_all(CloseReason::Shutdown);
    std::panic::set_hook(hook);

    assert_eq!(outer + observer.inner.load(SeqCst), MANY);
    assert!(observer.inner.load(SeqCst) > 0 && registry.is_empty());
    let told = observer.told.lock().unwrap();
    assert_eq!(told.len(), MANY);
    assert!(told.values().all(|it| *it == ["closed", "settled"]));
    assert!(
        lives
            .iter()
            .all(|live| live.handle().try_settled().is_some())
    );
    assert_eq!((scope.stats().settling, scope.stats().panics), (0, 0));
    // The scope has its observer.
    *observer.scope.lock().unwrap() = None;
}

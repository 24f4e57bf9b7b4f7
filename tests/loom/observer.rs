//! The observer of a scope: told in order, and one thing at a time.

use std::future::pending;
use std::sync::{Arc, Mutex};

use hangup::report::ConnectionId;
use hangup::report::Settled;
use hangup::report::Transition;
use hangup::{CloseReason, Closed, Handle, Observer, Phase, Scope, State};
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::spawn;

use crate::model::{Fact, model, model_3, settled};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Opened,
    Moved(Phase, State),
    Settled(Closed),
}

/// Notes what it is told of each connection, and whether that was one thing at a time.
#[derive(Default)]
struct Notes {
    told: Mutex<Vec<(ConnectionId, Told)>>,
    overlaps: Mutex<usize>,
}

struct Noting {
    notes: Arc<Notes>,
    /// Of the one connection that is looked at; of several it may be told at once.
    telling: Option<AtomicUsize>,
}

impl Noting {
    fn note(&self, id: ConnectionId, told: Told) {
        let alone = self
            .telling
            .as_ref()
            .is_none_or(|t| t.swap(1, Relaxed) == 0);
        self.notes.told.lock().unwrap().push((id, told));
        if let Some(telling) = &self.telling {
            if telling.swap(0, Relaxed) != 1 || !alone {
                *self.notes.overlaps.lock().unwrap() += 1;
            }
        }
    }
}

impl Observer for Noting {
    fn on_open(&self, connection: &Handle) {
        self.note(connection.id(), Told::Opened);
    }

    fn on_transition(&self, _: &Handle, transition: &Transition) {
        self.note(transition.id, Told::Moved(transition.from, transition.to));
    }

    fn on_settled(&self, connection: &Handle, settled: &Settled) {
        self.note(connection.id(), Told::Settled(settled.closed));
    }
}

impl Notes {
    /// A scope whose observer writes here.
    fn scope(self: &Arc<Self>, one_connection: bool) -> Scope {
        let noting = Noting {
            notes: Arc::clone(self),
            telling: one_connection.then(|| AtomicUsize::new(0)),
        };
        Scope::builder().observer(noting).build()
    }

    fn of(&self, handle: &Handle) -> Vec<Told> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter(|(id, _)| *id == handle.id())
            .map(|(_, told)| told.clone())
            .collect()
    }

    /// All of it was told, each thing once, in order and one at a time.
    fn check(&self, handle: &Handle, went_through: &[State]) {
        assert_eq!(*self.overlaps.lock().unwrap(), 0, "two things at a time");
        let closed = settled(handle).closed;
        let mut expected = vec![Told::Opened];
        let mut from = Phase::Pending;
        for &state in went_through.iter().chain([&State::Closed(closed)]) {
            expected.push(Told::Moved(from, state));
            from = state.phase().unwrap_or(from);
        }
        expected.push(Told::Settled(closed));
        assert_eq!(self.of(handle), expected);
    }
}

/// A connection goes live while somebody closes it.
#[test]
fn observer_go_live_vs_close() {
    model(|| {
        let notes = Arc::new(Notes::default());
        let setup = notes.scope(true).open().unwrap().register().unwrap();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let live = setup.go_live();
        closer.join().unwrap();
        match live {
            Ok(_) => notes.check(&handle, &[State::Registering, State::Live]),
            Err(_) => notes.check(&handle, &[State::Registering]),
        }
    });
}

/// Its owner goes while two close it: one close is told of.
#[test]
fn observer_r7_two_closers_vs_owner_drop_3() {
    model_3(2, || {
        let notes = Arc::new(Notes::default());
        let setup = notes.scope(true).open().unwrap().register().unwrap();
        let handle = setup.handle();
        let closers = [CloseReason::Idle, CloseReason::Shutdown].map(|reason| {
            let handle = handle.clone();
            spawn(move || handle.close(reason))
        });
        drop(setup);
        for closer in closers {
            _ = closer.join().unwrap();
        }
        notes.check(&handle, &[State::Registering]);
    });
}

/// It is closed with all others before `open` has returned: it was opened first.
#[test]
fn observer_open_vs_close_all() {
    model(|| {
        let notes = Arc::new(Notes::default());
        let scope = notes.scope(true);
        let opener = spawn({
            let scope = scope.clone();
            move || scope.open().unwrap()
        });
        let closed = scope.close_all(CloseReason::Shutdown);
        let pending = opener.join().unwrap();
        let handle = pending.handle();
        drop(pending);
        let shutdown = settled(&handle).closed.reason == CloseReason::Shutdown;
        assert_eq!(closed, usize::from(shutdown));
        notes.check(&handle, &[]);
    });
}

/// A refusal is told to nobody, and whoever was admitted is told of to the end.
#[test]
fn observer_open_vs_drain() {
    model(|| {
        let notes = Arc::new(Notes::default());
        let scope = notes.scope(false);
        let opener = spawn({
            let scope = scope.clone();
            move || scope.open().map(|pending| pending.handle())
        });
        scope.begin_drain();
        let opened = opener.join().unwrap();
        match opened {
            Ok(handle) => notes.check(&handle, &[]),
            Err(_) => assert!(notes.told.lock().unwrap().is_empty()),
        }
    });
}

/// The step that the owner is in is stopped by a close, and ends it: settled comes last.
#[test]
fn observer_close_vs_step() {
    model(|| {
        let notes = Arc::new(Notes::default());
        let mut setup = notes.scope(true).open().unwrap().register().unwrap();
        let handle = setup.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Aborted).unwrap()
        });
        let step = block_on(setup.run(pending::<()>()));
        assert_eq!(step.unwrap_err().reason, CloseReason::Aborted);
        closer.join().unwrap();
        drop(setup);
        notes.check(&handle, &[State::Registering]);
    });
}

/// What the observer did when it was told of one thing is seen when it is told of the
/// next, on whichever thread.
#[test]
fn observer_sees_itself() {
    struct Seeing(Fact, Arc<Mutex<usize>>);
    impl Observer for Seeing {
        fn on_open(&self, _: &Handle) {
            self.0.state();
        }

        fn on_transition(&self, _: &Handle, _: &Transition) {
            *self.1.lock().unwrap() += usize::from(!self.0.is_seen());
        }
    }

    model(|| {
        let unseen = Arc::new(Mutex::new(0));
        let scope = Scope::builder()
            .observer(Seeing(Fact::new(), Arc::clone(&unseen)))
            .build();
        let opener = spawn({
            let scope = scope.clone();
            move || drop(scope.open())
        });
        scope.close_all(CloseReason::Idle);
        opener.join().unwrap();
        assert_eq!(*unseen.lock().unwrap(), 0);
    });
}

/// Whoever learns that it has settled comes after the observer, which was told of that.
#[test]
fn observer_on_settled_vs_settled() {
    struct Stating(Fact);
    impl Observer for Stating {
        fn on_transition(&self, _: &Handle, _: &Transition) {}

        fn on_settled(&self, _: &Handle, _: &Settled) {
            self.0.state();
        }
    }

    model(|| {
        let told = Fact::new();
        let scope = Scope::builder().observer(Stating(told.clone())).build();
        let pending = scope.open().unwrap();
        let handle = pending.handle();
        let closing = spawn(move || drop(pending));
        block_on(handle.settled());
        assert!(told.is_seen());
        closing.join().unwrap();
    });
}

/// I8: an observer that closes the connection of which it is told, while somebody else
/// does as well.
#[test]
fn i8_observer_closes_vs_close() {
    model(|| {
        let notes = Arc::new(Notes::default());
        let handles: Arc<Mutex<Option<Handle>>> = Arc::default();
        let noting = Noting {
            notes: Arc::clone(&notes),
            telling: None,
        };
        let scope = Scope::builder()
            .observer({
                let handles = Arc::clone(&handles);
                Closing { noting, handles }
            })
            .build();
        let setup = scope.open().unwrap().register().unwrap();
        let handle = setup.handle();
        *handles.lock().unwrap() = Some(handle.clone());
        let closer = spawn({
            let handle = handle.clone();
            move || _ = handle.close(CloseReason::Idle)
        });
        let live = setup.go_live();
        closer.join().unwrap();
        match live {
            Ok(_) => notes.check(&handle, &[State::Registering, State::Live]),
            Err(_) => notes.check(&handle, &[State::Registering]),
        }
        handles.lock().unwrap().take();
    });

    struct Closing {
        noting: Noting,
        handles: Arc<Mutex<Option<Handle>>>,
    }

    impl Observer for Closing {
        fn on_open(&self, connection: &Handle) {
            self.noting.on_open(connection);
        }

        fn on_transition(&self, connection: &Handle, transition: &Transition) {
            self.noting.on_transition(connection, transition);
            let handle = self.handles.lock().unwrap().clone();
            if let Some(handle) = handle {
                _ = handle.close(CloseReason::Expired);
            }
        }

        fn on_settled(&self, connection: &Handle, settled: &Settled) {
            self.noting.on_settled(connection, settled);
        }
    }
}

//! Scopes within a scope: tenants of a server.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use hangup::report::ConnectionId;
use hangup::report::Transition;
use hangup::{CloseReason, Deadlines, Handle, Observer, OpenError, Scope};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::timed::Timed;

#[test]
fn a_connection_counts_in_its_scope_and_in_all_above() {
    let server = Scope::new();
    let tenants = [server.child().build(), server.child().build()];
    let route = tenants[0].child().build();
    let opened = [
        server.open().unwrap(),
        tenants[0].open().unwrap(),
        tenants[1].open().unwrap(),
        route.open().unwrap(),
    ];
    let pending = |scope: &Scope| (scope.stats().pending, scope.handles().len());
    assert_eq!(pending(&server), (4, 4));
    assert_eq!(pending(&tenants[0]), (2, 2));
    assert_eq!(pending(&tenants[1]), (1, 1));
    assert_eq!(pending(&route), (1, 1));
    assert_eq!(opened[3].scope().handles(), route.handles());
    drop(opened);
    let settled = |scope: &Scope| scope.stats().closed_as(CloseReason::Dropped);
    assert_eq!(settled(&server), 4);
    assert_eq!(settled(&tenants[0]), 2);
    assert_eq!((settled(&tenants[1]), settled(&route)), (1, 1));
    for scope in tenants.iter().chain([&server, &route]) {
        assert_eq!(pending(scope), (0, 0));
    }
}

/// What was counted below stays counted, and nothing else is left.
#[test]
fn a_child_that_is_gone_stays_counted() {
    let server = Scope::new();
    for round in 1..=100 {
        let tenant = server.child().build();
        let pending = tenant.open().unwrap();
        drop(tenant);
        assert_eq!(server.stats().pending, 1);
        drop(pending);
        assert_eq!(server.stats().closed_as(CloseReason::Dropped), round);
    }
}

#[test]
fn r20_every_cap_holds_and_a_refusal_gives_back_what_it_took() {
    let server = Scope::builder().max_connections(3).build();
    let tenants = [2, 2].map(|cap| server.child().max_connections(cap).build());
    let first = [tenants[0].open().unwrap(), tenants[0].open().unwrap()];
    // By its own cap, with room above: and the room is not used up.
    for _ in 0..10 {
        assert_eq!(tenants[0].open().unwrap_err(), OpenError::Full);
    }
    let second = tenants[1].open().unwrap();
    // By the server's, with room in its own.
    for _ in 0..10 {
        assert_eq!(tenants[1].open().unwrap_err(), OpenError::Full);
    }
    let refused = |scope: &Scope| scope.stats().refused_full;
    assert_eq!((refused(&server), refused(&tenants[0])), (20, 10));
    drop(first);
    let more = tenants[1].open().unwrap();
    assert_eq!(tenants[1].open().unwrap_err(), OpenError::Full);
    assert!(tenants[0].open().is_ok());
    drop((second, more));
}

#[test]
fn r20_every_cap_holds_on_several_threads() {
    const THREADS: usize = 4;
    for _ in 0..200 {
        let server = Scope::builder().max_connections(3).build();
        let tenants = [2, 2].map(|cap| server.child().max_connections(cap).build());
        let start = Barrier::new(THREADS);
        let opened: Vec<_> = thread::scope(|threads| {
            let openers: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (tenant, start) = (&tenants[number % 2], &start);
                    threads.spawn(move || {
                        start.wait();
                        tenant.open()
                    })
                })
                .collect();
            openers.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let admitted = opened.iter().filter(|opened| opened.is_ok()).count();
        assert_eq!(admitted, server.handles().len());
        assert_eq!(admitted, 3);
    }
}

#[test]
fn a_drain_of_a_child_leaves_the_others_open() {
    let server = Scope::new();
    let tenant = server.child().build();
    let (inside, outside) = (tenant.open().unwrap(), server.open().unwrap());
    let mut drained = task::spawn(tenant.drained());
    assert_pending!(drained.poll());
    tenant.begin_drain();
    assert!(tenant.is_draining() && !server.is_draining());
    assert_eq!(tenant.close_all(CloseReason::Shutdown), 1);
    assert!(drained.is_woken());
    assert_ready!(drained.poll());
    assert_eq!(tenant.open().unwrap_err(), OpenError::Draining);
    assert!(server.open().is_ok());
    assert!(inside.handle().state().is_closed() && !outside.handle().state().is_closed());
}

#[test]
fn a_drain_of_the_server_is_one_of_its_children() {
    let server = Scope::new();
    let tenant = server.child().max_connections(1).build();
    let route = tenant.child().build();
    let (inside, outside) = (route.open().unwrap(), server.open().unwrap());
    let mut waits = [&route, &tenant].map(|scope| task::spawn(scope.drained()));
    let mut of_server = task::spawn(server.drained());
    for drained in &mut waits {
        assert_pending!(drained.poll());
    }
    assert_pending!(of_server.poll());
    server.begin_drain();
    assert!(route.is_draining());
    // Full as well.
    assert_eq!(route.open().unwrap_err(), OpenError::Draining);
    assert_eq!(route.stats().refused_draining, 1);
    for drained in &mut waits {
        assert_pending!(drained.poll());
    }
    assert_eq!(server.close_all(CloseReason::Shutdown), 2);
    for drained in &mut waits {
        assert!(drained.is_woken());
        assert_ready!(drained.poll());
    }
    assert_ready!(of_server.poll());
    drop((inside, outside));
}

/// It has nothing to wait for but that a drain begins.
#[test]
fn an_empty_child_is_drained_when_a_drain_of_the_server_begins() {
    let server = Scope::new();
    let tenant = server.child().build();
    let outside = server.open().unwrap();
    let mut drained = task::spawn(tenant.drained());
    assert_pending!(drained.poll());
    server.begin_drain();
    assert!(drained.is_woken());
    assert_ready!(drained.poll());
    drop(outside);
}

/// From threads, with a wait in each scope.
#[test]
fn r15_open_in_a_child_racing_shutdown_of_the_server() {
    for _ in 0..200 {
        let server = Scope::new();
        let tenant = server.child().build();
        let start = Barrier::new(2);
        let opened = thread::scope(|threads| {
            let opener = threads.spawn(|| {
                start.wait();
                let mut opened = Vec::new();
                while let Ok(pending) = tenant.open() {
                    opened.push(pending);
                }
                opened
            });
            start.wait();
            server.begin_drain();
            server.close_all(CloseReason::Shutdown);
            block_on(async { tokio::join!(tenant.drained(), server.drained()) });
            opener.join().unwrap()
        });
        let settled = |pending: &hangup::Pending| pending.handle().try_settled().is_some();
        assert!(opened.iter().all(settled));
    }
}

#[test]
fn a_child_is_swept_with_its_server_by_deadlines_of_its_own() {
    const LIMIT: Duration = Duration::from_secs(10);
    let mut timed = Timed::new(Deadlines::new().setup(LIMIT * 2));
    let usual = timed.scope.child().build();
    assert_eq!(usual.deadlines(), timed.scope.deadlines());
    let quick = timed.scope.child().deadlines(Deadlines::new().setup(LIMIT));
    let quick = quick.build();
    let (later, sooner) = (usual.open().unwrap(), quick.open().unwrap());
    timed.date();
    assert_eq!(timed.after(LIMIT), 1);
    assert!(sooner.handle().state().is_closed());
    // A sweep of a child is one of all.
    assert_eq!(quick.sweep(timed.now + LIMIT), 1);
    assert!(later.handle().state().is_closed());
}

#[derive(Default)]
struct Opened(Mutex<Vec<ConnectionId>>);

impl Observer for Opened {
    fn on_open(&self, connection: &Handle) {
        self.0.lock().unwrap().push(connection.id());
    }

    fn on_transition(&self, _: &Handle, _: &Transition) {}
}

#[test]
fn a_child_has_the_observer_of_its_server_unless_it_has_its_own() {
    let [of_server, of_tenant] = [(); 2].map(|()| Arc::new(Opened::default()));
    let server = Scope::builder().observer(Arc::clone(&of_server)).build();
    let usual = server.child().build().open().unwrap();
    let special = server.child().observer(Arc::clone(&of_tenant)).build();
    let special = special.open().unwrap();
    assert_eq!(*of_server.0.lock().unwrap(), [usual.id()]);
    assert_eq!(*of_tenant.0.lock().unwrap(), [special.id()]);
}

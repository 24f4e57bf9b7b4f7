use std::panic::panic_any;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use hangup::CloseReason;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::{live, pending, registering};

#[test]
fn handles_of_one_connection_are_equal_and_ids_are_unique() {
    let (a, b) = (pending(), pending());
    assert_eq!(a.handle(), a.handle().clone());
    assert_ne!(a.handle(), b.handle());
    assert_eq!(a.handle().id(), a.id());
    assert_ne!(a.id(), b.id());
}

#[test]
fn a_handle_keeps_nothing_open() {
    let live = live();
    let handles = [live.handle(), live.handle()];
    drop(live);
    assert!(handles[0].state().is_closed());
}

#[test]
fn closed_and_settled_resolve_when_it_happens() {
    let live = live();
    let handle = live.handle();
    let mut closed = task::spawn(handle.closed());
    let mut settled = task::spawn(handle.settled());
    assert_pending!(closed.poll());
    assert_pending!(settled.poll());

    handle.close(CloseReason::Idle).unwrap();
    assert!(closed.is_woken());
    assert!(settled.is_woken());
    assert_eq!(assert_ready!(closed.poll()).reason, CloseReason::Idle);
    assert_eq!(
        assert_ready!(settled.poll()).closed.reason,
        CloseReason::Idle
    );
}

#[test]
fn closed_and_settled_resolve_at_once_when_it_has_happened() {
    let live = live();
    let handle = live.handle();
    drop(live);
    assert_ready!(task::spawn(handle.closed()).poll());
    assert_ready!(task::spawn(handle.settled()).poll());
}

#[test]
fn closed_is_before_settled() {
    let mut setup = registering();
    let handle = setup.handle();
    let mut step = task::spawn(setup.run(std::future::pending::<()>()));
    assert_pending!(step.poll());

    let mut closed = task::spawn(handle.closed());
    let mut settled = task::spawn(handle.settled());
    assert_pending!(closed.poll());
    assert_pending!(settled.poll());
    handle.close(CloseReason::Aborted).unwrap();

    // The step is in flight: closed, but nothing is undone yet.
    assert_ready!(closed.poll());
    assert_pending!(settled.poll());
    assert!(step.is_woken());
    assert_ready!(step.poll()).unwrap_err();
    drop(step);
    drop(setup);
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
}

#[test]
fn a_waiter_that_moves_to_another_task_wakes_that_one() {
    let live = live();
    let mut closed = task::spawn(live.handle().closed());
    assert_pending!(closed.poll());
    let mut moved = task::spawn(closed.into_inner());
    assert_pending!(moved.poll());
    drop(live);
    assert!(moved.is_woken());
    assert_ready!(moved.poll());
}

#[test]
fn a_waiter_that_gives_up_leaves_its_waker_nowhere() {
    struct Quiet;
    impl Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }
    let live = live();
    let handle = live.handle();
    let quiet = Arc::new(Quiet);
    let waker = Waker::from(Arc::clone(&quiet));
    let mut closed = Box::pin(handle.closed());
    let mut settled = Box::pin(handle.settled());
    assert_pending!(closed.as_mut().poll(&mut Context::from_waker(&waker)));
    assert_pending!(settled.as_mut().poll(&mut Context::from_waker(&waker)));
    assert_eq!(Arc::strong_count(&quiet), 4);
    drop((closed, settled));
    assert_eq!(Arc::strong_count(&quiet), 2);
}

#[test]
fn a_panicking_waker_costs_nobody_a_turn() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic_any("waker");
        }
    }
    // The bomb in every position among the waiters, and as the owner.
    for position in 0..=3 {
        let log = Log::default();
        let mut setup = registering();
        setup.on_close(log.adds("undone")).unwrap();
        let handle = setup.handle();
        let bomb = Waker::from(Arc::new(Bomb));
        let mut stream = Box::pin(
            setup
                .go_live()
                .unwrap()
                .stream(futures::stream::pending::<u8>()),
        );
        let mut waiters: Vec<_> = (0..3).map(|_| task::spawn(handle.closed())).collect();
        let mut bombed = Box::pin(handle.closed());
        let mut settled = task::spawn(handle.settled());
        let mut bombed_settled = Box::pin(handle.settled());

        let mut cx = Context::from_waker(&bomb);
        assert_pending!(bombed_settled.as_mut().poll(&mut cx));
        assert_pending!(settled.poll());
        for (i, waiter) in waiters.iter_mut().enumerate() {
            if i == position {
                assert_pending!(bombed.as_mut().poll(&mut cx));
            }
            assert_pending!(waiter.poll());
        }
        if position == 3 {
            use futures::Stream;
            assert_pending!(stream.as_mut().poll_next(&mut cx));
        }

        handle.close(CloseReason::Idle).unwrap();
        for waiter in &mut waiters {
            assert!(waiter.is_woken(), "bomb at {position}");
        }
        assert!(settled.is_woken(), "bomb at {position}");
        assert_eq!(log.entries(), ["undone"]);
    }
}

#[test]
fn a_waker_may_use_the_handle_it_is_woken_for() {
    struct Reenter(hangup::Handle, Log);
    impl Wake for Reenter {
        fn wake(self: Arc<Self>) {
            self.0.close(CloseReason::App(1)).unwrap_err();
            assert_ready!(task::spawn(self.0.closed()).poll());
            self.1.add("woken");
        }
    }
    let log = Log::default();
    let live = live();
    let handle = live.handle();
    let waker = Waker::from(Arc::new(Reenter(handle.clone(), log.clone())));
    let mut closed = Box::pin(handle.closed());
    assert_pending!(closed.as_mut().poll(&mut Context::from_waker(&waker)));
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["woken"]);
    assert_ready_eq!(
        task::spawn(handle.closed()).poll(),
        handle.state().closed().unwrap()
    );
}

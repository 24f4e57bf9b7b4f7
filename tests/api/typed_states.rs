use hangup::{CloseReason, Closed, Handle, Live, Phase, Registering, Scope, State};

use crate::support::{live, pending, registering};

fn assert_send<T: Send>(_: &T) {}

#[test]
fn owners_and_handles_cross_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Handle>();
    assert_send_sync::<Scope>();
    assert_send_sync::<hangup::Registry<String, u8>>();
    assert_send_sync::<hangup::report::Member<u8>>();
    assert_send(&pending());
    assert_send::<Registering>(&registering());
    assert_send::<Live>(&live());
    assert_send(&live().stream(futures::stream::empty::<u8>()));
    assert_send(&live().run(async {}));
    assert_send(&live().run(async {}).gate(|_| std::task::Poll::Pending));
    assert_send_sync::<hangup::future::Interval>();
    let mut setup = registering();
    assert_send(&setup.run(async {}));
    let workers = hangup::Registry::<u8, u8>::new(hangup::Conflict::Replace);
    assert_send(&setup.take_over(&workers, 1, 1));
}

#[test]
fn each_transition_moves_the_state() {
    let pending = pending();
    let handle = pending.handle();
    assert_eq!(handle.state(), State::Pending);
    let setup = pending.register().unwrap();
    assert_eq!(handle.state(), State::Registering);
    let live = setup.go_live().unwrap();
    assert_eq!(handle.state(), State::Live);
    assert_eq!(live.close(CloseReason::Completed), Ok(()));
    let closed = Closed {
        reason: CloseReason::Completed,
        from: Phase::Live,
    };
    assert_eq!(handle.state(), State::Closed(closed));
}

#[test]
fn dropping_any_owner_closes_it_as_dropped_from_its_phase() {
    let closed_from = |from| {
        State::Closed(Closed {
            reason: CloseReason::Dropped,
            from,
        })
    };

    let owner = pending();
    let handle = owner.handle();
    drop(owner);
    assert_eq!(handle.state(), closed_from(Phase::Pending));

    let owner = registering();
    let handle = owner.handle();
    drop(owner);
    assert_eq!(handle.state(), closed_from(Phase::Registering));

    let owner = live();
    let handle = owner.handle();
    drop(owner);
    assert_eq!(handle.state(), closed_from(Phase::Live));

    let owner = live().stream(futures::stream::pending::<u8>());
    let handle = owner.handle();
    drop(owner);
    assert_eq!(handle.state(), closed_from(Phase::Live));

    let owner = live();
    let handle = owner.handle();
    drop(owner.run(std::future::pending::<()>()));
    assert_eq!(handle.state(), closed_from(Phase::Live));
}

#[test]
fn no_transition_leaves_closed() {
    let owner = pending();
    owner.handle().close(CloseReason::Idle).unwrap();
    assert_eq!(owner.register().unwrap_err().from, Phase::Pending);

    let owner = registering();
    owner.handle().close(CloseReason::Idle).unwrap();
    let closed = owner.go_live().unwrap_err();
    assert_eq!(closed.from, Phase::Registering);
    assert_eq!(closed.reason, CloseReason::Idle);
}

#[test]
fn owners_close_with_a_reason_of_their_own_or_learn_the_one_that_won() {
    let owner = pending();
    let handle = owner.handle();
    assert_eq!(owner.close(CloseReason::Failed), Ok(()));
    assert_eq!(handle.state().closed().unwrap().reason, CloseReason::Failed);

    let owner = live();
    owner.handle().close(CloseReason::Stalled).unwrap();
    let won = owner.close(CloseReason::Completed).unwrap_err();
    assert_eq!(won.reason, CloseReason::Stalled);
}

#[test]
fn every_reason_survives_the_word() {
    let reasons = [
        CloseReason::Completed,
        CloseReason::Dropped,
        CloseReason::Aborted,
        CloseReason::Failed,
        CloseReason::Superseded,
        CloseReason::Shutdown,
        CloseReason::Idle,
        CloseReason::Stalled,
        CloseReason::Expired,
        CloseReason::Overflow,
        CloseReason::App(0),
        CloseReason::App(1),
        CloseReason::App(u16::MAX),
    ];
    for reason in reasons {
        let check = |handle: Handle, from| {
            handle.close(reason).unwrap();
            assert_eq!(handle.state(), State::Closed(Closed { reason, from }));
        };
        let owner = pending();
        check(owner.handle(), Phase::Pending);
        let owner = registering();
        check(owner.handle(), Phase::Registering);
        let owner = live();
        check(owner.handle(), Phase::Live);
    }
}

#[test]
fn a_connection_that_acquires_nothing_is_live_in_one_call() {
    let scope = Scope::builder().max_connections(1).build();
    let live = scope.live().unwrap();
    assert_eq!(live.handle().state(), State::Live);
    let full = hangup::OpenError::Full;
    assert_eq!(scope.live().unwrap_err(), hangup::Error::Open(full));
}

/// By an observer, which is told of it first.
#[test]
fn a_connection_that_is_closed_on_the_way_to_live_says_so() {
    struct Closing;

    impl hangup::Observer for Closing {
        fn on_open(&self, connection: &Handle) {
            connection.close(CloseReason::App(5)).unwrap();
        }

        fn on_transition(&self, _: &Handle, _: &hangup::report::Transition) {}
    }

    let scope = Scope::builder().observer(Closing).build();
    let closed = Closed {
        reason: CloseReason::App(5),
        from: Phase::Pending,
    };
    assert_eq!(scope.live().unwrap_err(), hangup::Error::Closed(closed));
    assert!(scope.handles().is_empty());
}

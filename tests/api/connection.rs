use hangup::{CloseReason, Closed, Connection, Event, Phase, State, TransitionError};

use crate::support::{live, pending, registering};

#[test]
fn it_moves_on_in_place() {
    let mut connection = Connection::from(pending());
    let handle = connection.handle().unwrap();
    connection.register().unwrap();
    assert!(matches!(connection, Connection::Registering(_)));
    connection.go_live().unwrap();
    assert!(matches!(connection, Connection::Live(_)));
    assert_eq!(connection.state(), State::Live);
    assert_eq!(handle.state(), State::Live);
}

#[test]
fn an_event_out_of_order_changes_nothing() {
    let mut connection = Connection::from(pending());
    let refused = TransitionError::OutOfOrder {
        state: State::Pending,
        event: Event::GoLive,
    };
    assert_eq!(connection.go_live(), Err(refused));
    assert_eq!(connection.state(), State::Pending);

    let mut connection = Connection::from(registering());
    let refused = TransitionError::OutOfOrder {
        state: State::Registering,
        event: Event::Register,
    };
    assert_eq!(connection.register(), Err(refused));
    assert_eq!(connection.state(), State::Registering);

    let mut connection = Connection::from(live());
    assert!(connection.register().is_err());
    assert!(connection.go_live().is_err());
    assert_eq!(connection.state(), State::Live);
}

#[test]
fn it_becomes_closed_when_it_meets_the_close() {
    let closed = Closed {
        reason: CloseReason::Aborted,
        from: Phase::Registering,
    };
    let mut connection = Connection::from(registering());
    let handle = connection.handle().unwrap();
    handle.close(CloseReason::Aborted).unwrap();

    // Closed at once, whatever the variant is.
    assert_eq!(connection.state(), State::Closed(closed));
    assert_eq!(connection.go_live(), Err(TransitionError::Closed(closed)));
    assert!(matches!(connection, Connection::Closed(c) if c == closed));
    assert_eq!(connection.handle(), None);
    assert_eq!(connection.register(), Err(TransitionError::Closed(closed)));
    assert_eq!(connection.close(CloseReason::Idle), Err(closed));
}

#[test]
fn close_says_whether_it_won() {
    let mut connection = Connection::from(live());
    let handle = connection.handle().unwrap();
    assert_eq!(connection.close(CloseReason::App(7)), Ok(()));
    let closed = handle.state().closed().unwrap();
    assert_eq!(closed.reason, CloseReason::App(7));
    assert!(matches!(connection, Connection::Closed(c) if c == closed));

    let mut connection = Connection::from(live());
    let first = connection.handle().unwrap();
    first.close(CloseReason::Idle).unwrap();
    let won = connection.close(CloseReason::App(7)).unwrap_err();
    assert_eq!(won.reason, CloseReason::Idle);
    assert!(matches!(connection, Connection::Closed(c) if c == won));
}

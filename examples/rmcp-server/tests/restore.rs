//! A session that another server began, as rmcp restores it.

use std::time::Duration;

use hangup::{CloseReason, Conflict, Deadlines, Error, KeyError, OpenError, Registry, Scope};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, SessionManager};
use rmcp_server::sessions::{ScopedSessions, SessionError, SessionId};

#[tokio::test]
async fn a_restored_session_is_a_connection_under_its_id() {
    let idle = Deadlines::new().idle(Duration::from_secs(60));
    let scope = Scope::builder().max_connections(2).deadlines(idle).build();
    let open = Registry::new(Conflict::Reject);
    let manager = ScopedSessions::new(scope.clone(), open.clone());
    let id = || SessionId::from("5f3a");
    let restored = manager.restore_session(id()).await.unwrap();
    let RestoreOutcome::Restored(transport) = restored else {
        panic!("{restored:?}");
    };
    assert!(manager.has_session(&id()).await.unwrap());
    let again = manager.restore_session(id()).await.unwrap();
    assert!(matches!(again, RestoreOutcome::AlreadyPresent), "{again:?}");
    assert_eq!((scope.handles().len(), open.len()), (1, 1));
    assert_eq!(manager.of_rmcp(), Some(1));

    // It is being undone: not under this id yet, and not over the cap of what is being undone.
    assert_eq!(open.close("5f3a", CloseReason::Shutdown), 1);
    assert!(!manager.has_session(&id()).await.unwrap());
    while manager.of_rmcp() != Some(0) {
        tokio::task::yield_now().await;
    }
    let early = manager.restore_session(id()).await.unwrap_err();
    let settling = Error::Key(KeyError::Settling);
    assert!(
        matches!(early, SessionError::Refused(it) if it == settling),
        "{early:?}"
    );
    let full = manager.restore_session(id()).await.unwrap_err();
    let no_room = Error::Open(OpenError::Full);
    assert!(
        matches!(full, SessionError::Refused(it) if it == no_room),
        "{full:?}"
    );

    // What its handler's task does at its end.
    drop(transport);
    manager.close_session(&id()).await.unwrap();
    let restored = manager.restore_session(id()).await.unwrap();
    assert!(
        matches!(restored, RestoreOutcome::Restored(_)),
        "{restored:?}"
    );
    // Without that task its end is the end of the session, too.
    drop(restored);
    assert!(open.is_empty());
    open.settled(&id()).await;
    assert_eq!((scope.handles().len(), open.len()), (0, 0));
    assert_eq!(manager.of_rmcp(), Some(0));
}

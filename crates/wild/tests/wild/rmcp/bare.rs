//! The session manager alone: a handler creates a session and closes it at its end.

use std::sync::Arc;

use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::idle::all_idle;

const BARE: Row = Row::known(
    3,
    "rmcp",
    "a bare `LocalSessionManager`: the transport of a session is dropped",
);

#[test]
fn a_session_stays_without_its_transport() {
    type App = (Trial, Arc<LocalSessionManager>);
    let server = |trial: &Trial| (trial.clone(), Arc::default());
    let connect = |(trial, manager): App, _: Client| async move {
        let (id, transport) = manager.create_session().await.unwrap();
        trial.point("authenticate").await;
        drop(transport);
        manager.close_session(&id).await.unwrap();
    };
    let report = abort_everywhere(server, connect)
        .resource("sessions", |(_, manager)| {
            manager.sessions.try_read().unwrap().len()
        })
        .on_tokio()
        .explore()
        .unwrap();
    BARE.found(&report, |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_without_its_transport_without_the_kit() {
    let manager = LocalSessionManager::default();
    let (id, transport) = manager.create_session().await.unwrap();
    drop(transport);
    all_idle().await;
    let runtime = tokio::runtime::Handle::current();
    assert_eq!(
        runtime.metrics().num_alive_tasks(),
        0,
        "its worker has ended"
    );
    // Longer than every limit of the session.
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    all_idle().await;
    assert!(manager.has_session(&id).await.unwrap());
    assert!(manager.create_standalone_stream(&id).await.is_err());
    BARE.confirmed();
}

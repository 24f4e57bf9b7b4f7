//! A session that is restored from a store, when its service can't be built.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use hangup_test::{Client, Fault, Report, Trial, abort_everywhere};
use hangup_wild::Row;
use http::StatusCode;
use http_body_util::BodyExt;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{
    SessionState, SessionStore, SessionStoreError,
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::{get, initialize};
use crate::stage::Stage;

const RESTORE: Row = Row::known(1, "rmcp", "the restore of a session whose factory fails");

const RESTORED: Row = Row::new("rmcp", "the restore of a session, and its idle limit");

struct Server;

impl ServerHandler for Server {}

/// A store that knows every session.
struct Store(Stage);

#[async_trait::async_trait]
impl SessionStore for Store {
    async fn load(&self, _: &str) -> Result<Option<SessionState>, SessionStoreError> {
        self.0.call("load the session").await;
        let params = serde_json::from_value(initialize())?;
        Ok(Some(SessionState::new(params)))
    }

    async fn store(&self, _: &str, _: &SessionState) -> Result<(), SessionStoreError> {
        Ok(())
    }

    async fn delete(&self, _: &str) -> Result<(), SessionStoreError> {
        Ok(())
    }
}

#[derive(Clone)]
struct App {
    manager: Arc<LocalSessionManager>,
    service: StreamableHttpService<Server, LocalSessionManager>,
    database_is_up: Arc<AtomicBool>,
}

impl App {
    fn new(stage: Stage) -> Self {
        // Its heartbeat goes by the clock of std, which is not paused.
        let mut config = StreamableHttpServerConfig::default().with_sse_keep_alive(None);
        config.session_store = Some(Arc::new(Store(stage)));
        let mut manager = LocalSessionManager::default();
        // Within the patience of the kit.
        manager.session_config.keep_alive = Some(Duration::from_secs(60));
        let manager = Arc::new(manager);
        let database_is_up = Arc::new(AtomicBool::new(false));
        let up = Arc::clone(&database_is_up);
        let factory = move || match up.load(SeqCst) {
            true => Ok(Server),
            false => Err(io::Error::other("the database is down")),
        };
        Self {
            service: StreamableHttpService::new(factory, Arc::clone(&manager), config),
            manager,
            database_is_up,
        }
    }
}

fn explore(database_is_up: bool) -> Report {
    let server = move |trial: &Trial| {
        let app = App::new(Stage::of(trial));
        app.database_is_up.store(database_is_up, SeqCst);
        app
    };
    let connect = |app: App, client: Client| async move {
        let response = get(&app.service, "ada", None).await;
        client.respond(response.into_data_stream()).await;
    };
    abort_everywhere(server, connect)
        .resource("sessions", |app| {
            app.manager.sessions.try_read().unwrap().len()
        })
        .on_tokio()
        .explore()
        .unwrap()
}

#[test]
fn a_restored_session_ends() {
    RESTORED.clean(&explore(true), 40);
}

#[test]
fn a_failed_restore_leaves_its_session() {
    RESTORE.found(&explore(false), |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_failed_restore_leaves_its_session_without_the_kit() {
    let app = App::new(Stage::without_the_kit());
    let answer = get(&app.service, "ada", None).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    app.database_is_up.store(true, SeqCst);
    // Longer than every limit of the session.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(app.manager.sessions.read().await.len(), 1);
    // The client is locked out of its session, although it could be restored.
    let answer = get(&app.service, "ada", None).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    // Another one is restored.
    let answer = get(&app.service, "bob", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    RESTORE.confirmed();
}

//! A stream that is resumed after its last event.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use http_body_util::BodyExt;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::NotificationContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;

use super::{Answer, SESSION, get, initialize, post};

const RESUME: Row = Row::known(2, "rmcp", "a stream that resumes after `Last-Event-ID`");

/// Sends three items to each new session.
struct Server;

impl ServerHandler for Server {
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        for number in 1..=3 {
            let item = ResourceUpdatedNotificationParam::new(format!("item:{number}"));
            context.peer.notify_resource_updated(item).await.unwrap();
        }
    }
}

type App = Arc<StreamableHttpService<Server, LocalSessionManager>>;

fn app() -> App {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(Duration::from_secs(60));
    // Its heartbeat goes by the clock of std, which is not paused.
    let config = StreamableHttpServerConfig::default().with_sse_keep_alive(None);
    Arc::new(StreamableHttpService::new(
        || Ok(Server),
        Arc::new(manager),
        config,
    ))
}

/// Opens a session and returns its id.
async fn open(app: &App) -> String {
    let message = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize(),
    });
    let answer = post(app, None, message).await;
    let id = answer.headers()[SESSION].to_str().unwrap().to_owned();
    drop(answer.into_body().collect().await);
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert!(post(app, Some(&id), message).await.status().is_success());
    id
}

/// The ids and the numbers of the items.
fn items(answer: Answer) -> impl Stream<Item = (String, u64)> {
    answer.into_data_stream().filter_map(|data| async {
        let text = String::from_utf8(data.unwrap().to_vec()).unwrap();
        let number = text.split_once("item:")?.1.split('"').next()?.parse();
        let id = text.lines().find_map(|line| line.strip_prefix("id:"))?;
        Some((id.trim().to_owned(), number.unwrap()))
    })
}

#[test]
fn the_last_event_is_repeated() {
    let server = |trial: &Trial| {
        (1..=3).for_each(|number| trial.ledger().published(number));
        app()
    };
    let connect = |app: App, client: Client| async move {
        let session = open(&app).await;
        // Two of the three, then the connection is lost.
        let first = items(get(&app, &session, None).await).take(2);
        let first: Vec<_> = first.collect().await;
        first
            .iter()
            .for_each(|(_, number)| client.delivered(*number));
        let answer = get(&app, &session, Some(&first[1].0)).await;
        let seen = client.clone();
        let rest = items(answer).take(2);
        let rest = rest.inspect(move |(_, number)| seen.delivered(*number));
        client.respond(rest).await;
    };
    let report = abort_everywhere(server, connect)
        .on_tokio()
        .explore()
        .unwrap();
    let repeated = |fault: &Fault| {
        matches!(
            fault,
            Fault::Repeated {
                number: 2,
                last: 2,
                ..
            }
        )
    };
    RESUME.found(&report, repeated);
}

#[tokio::test(start_paused = true)]
async fn the_last_event_is_repeated_without_the_kit() {
    let app = app();
    let session = open(&app).await;
    let first = items(get(&app, &session, None).await).take(2);
    let first: Vec<_> = first.collect().await;
    assert_eq!(first.iter().map(|it| it.1).collect::<Vec<_>>(), [1, 2]);
    let rest = items(get(&app, &session, Some(&first[1].0)).await).take(2);
    let rest: Vec<_> = rest.collect().await;
    assert_eq!(rest.iter().map(|it| it.1).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(rest[0], first[1]);
    RESUME.confirmed();
}

//! The health service of tonic, whose clients watch a status.

use std::sync::Arc;

use futures::StreamExt;
use hangup_test::{Client, Trial, abort_everywhere};
use hangup_wild::Row;
use tonic::Request;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_server::Health;
use tonic_health::server::{HealthReporter, HealthService};

const WATCH: Row = Row::new("tonic-health", "`watch`, until the status is cleared");

#[derive(Clone)]
struct App {
    trial: Trial,
    reporter: HealthReporter,
    service: Arc<HealthService>,
}

#[test]
fn a_watch_is_clean() {
    let server = |trial: &Trial| {
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        App {
            trial: trial.clone(),
            reporter,
            service: Arc::new(service),
        }
    };
    let connect = |app: App, client: Client| async move {
        app.trial.point("authenticate").await;
        // The server as a whole.
        let request = Request::new(HealthCheckRequest::default());
        let Ok(response) = app.service.watch(request).await else {
            return; // it has been cleared
        };
        let statuses = response.into_inner().map(Result::unwrap);
        client.respond(statuses).await;
    };
    let report = abort_everywhere(server, connect)
        .event("a change", |app| async move {
            let status = ServingStatus::NotServing;
            app.reporter.set_service_status("", status).await;
        })
        .close(|mut app| async move {
            app.reporter.clear_service_status("").await;
            true
        })
        .on_tokio()
        .explore()
        .unwrap();
    WATCH.clean(&report, 50);
}

//! What `/metrics` shows to Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;

/// What is recorded between two scrapes is put together this often, so that it stays small.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of this process, installed by the first call.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // An application that has installed one has its metrics there.
        let _: Result<_, _> = metrics::set_global_recorder(recorder);
        handle
    })
}

/// Records from now on, and does the upkeep as long as it is polled.
pub(crate) async fn record() {
    loop {
        recorder().run_upkeep();
        sleep(UPKEEP).await;
    }
}

pub(crate) async fn metrics() -> String {
    recorder().render()
}

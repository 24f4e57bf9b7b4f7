//! Where a server runs: in a trial of the kit, or in a test without the kit.

use hangup_test::Trial;

#[derive(Clone)]
pub(crate) struct Stage(Option<Trial>);

impl Stage {
    pub(crate) fn of(trial: &Trial) -> Self {
        Self(Some(trial.clone()))
    }

    pub(crate) fn without_the_kit() -> Self {
        Self(None)
    }

    /// A call to another server.
    pub(crate) async fn call(&self, label: &str) {
        match &self.0 {
            Some(trial) => trial.point(label).await,
            None => tokio::task::yield_now().await,
        }
    }

    pub(crate) fn published(&self, number: u64) {
        if let Some(trial) = &self.0 {
            trial.ledger().published(number);
        }
    }
}

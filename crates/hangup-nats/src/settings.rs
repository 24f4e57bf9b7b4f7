//! What the builder says.

use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) replicas: usize,
    pub(crate) timeout: Duration,
    pub(crate) log_items: i64,
    pub(crate) log_bytes: i64,
    pub(crate) log_age: Duration,
    pub(crate) duplicates: Duration,
}

impl Settings {
    /// How long one attempt takes of those that fit into a call.
    pub(crate) fn attempt(&self) -> Duration {
        self.timeout / 4
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: "hangup".to_owned(),
            replicas: 1,
            timeout: Duration::from_secs(5),
            log_items: 1_000_000,
            log_bytes: 1 << 30,
            log_age: Duration::from_secs(24 * 3600),
            duplicates: Duration::from_secs(120),
        }
    }
}

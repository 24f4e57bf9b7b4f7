//! What happened, in order.

use std::sync::{Arc, Mutex};

/// A list that closures can write to from anywhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    /// A closure that logs `entry` when it is called.
    pub(crate) fn adds(&self, entry: impl Into<String>) -> impl FnOnce() + Send + 'static {
        let (log, entry) = (self.clone(), entry.into());
        move || log.add(entry)
    }

    /// A value that logs `entry` when it is dropped.
    pub(crate) fn on_drop(&self, entry: impl Into<String>) -> LogOnDrop {
        LogOnDrop(self.clone(), entry.into())
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug)]
pub(crate) struct LogOnDrop(Log, String);

impl Drop for LogOnDrop {
    fn drop(&mut self) {
        self.0.add(std::mem::take(&mut self.1));
    }
}

//! The label and the values of a connection.

use std::any::Any;
use std::sync::Arc;

use super::Lifecycle;
use super::about::About;
use crate::sync::lock;

impl Lifecycle {
    pub(crate) fn set_label(&self, label: Arc<str>) {
        #[cfg(feature = "tracing")]
        self.record_label(&label);
        let replaced = self.lock_to_store().about().set_label(label);
        drop(replaced);
    }

    pub(crate) fn label(&self) -> Option<Arc<str>> {
        self.read_about(About::label)
    }

    /// Stores `value` in the place of the one of its type.
    pub(crate) fn insert<T: Any + Send + Sync>(&self, value: T) {
        let value = Arc::new(value);
        let replaced = self.lock_to_store().about().insert(value);
        // The lock is released by now (I8).
        drop(replaced);
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.read_about(About::get)
    }

    /// Reads what is said, if anything is.
    pub(super) fn read_about<T>(&self, read: impl FnOnce(&About) -> Option<T>) -> Option<T> {
        if !self.word().load().has_parts() {
            return None;
        }
        let inner = lock(&self.inner);
        read(inner.cold.as_ref()?.about.as_ref()?)
    }
}

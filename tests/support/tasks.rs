//! An executor that runs nothing by itself.

use std::sync::{Arc, Mutex};

use hangup::runtime::BoxFuture;

/// What was spawned: the test polls it, or drops it.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Vec<BoxFuture<()>>>>);

impl Tasks {
    pub(crate) fn spawn(&self) -> impl FnOnce(BoxFuture<()>) + Send + 'static {
        let tasks = self.clone();
        move |task| tasks.0.lock().unwrap().push(task)
    }

    /// The one that was spawned last.
    pub(crate) fn take(&self) -> Option<BoxFuture<()>> {
        self.0.lock().unwrap().pop()
    }
}

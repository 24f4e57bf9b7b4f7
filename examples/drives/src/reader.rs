//! A client that reads a stream in a task.

use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;

use crate::report::Ending;

/// A task that reads a stream to its end. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Reader {
    task: AbortHandle,
    ending: Arc<Mutex<Ending>>,
}

impl Reader {
    /// Runs `read`, which returns how the stream ended.
    pub fn spawn(read: impl Future<Output = Ending> + Send + 'static) -> Self {
        let ending = Arc::new(Mutex::new(Ending::Open));
        let noted = Arc::clone(&ending);
        let task = tokio::spawn(async move {
            let ending = read.await;
            *noted.lock().unwrap() = ending;
        });
        Self {
            task: task.abort_handle(),
            ending,
        }
    }

    /// How the stream ended.
    pub fn ending(&self) -> Ending {
        *self.ending.lock().unwrap()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

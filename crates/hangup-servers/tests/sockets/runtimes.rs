//! The runtimes that a server may run on.

use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Flavor {
    OneThread,
    ManyThreads,
}

impl Flavor {
    pub(crate) const ALL: [Self; 2] = [Self::OneThread, Self::ManyThreads];

    pub(crate) fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::OneThread => Builder::new_current_thread(),
            Self::ManyThreads => Builder::new_multi_thread(),
        };
        builder.worker_threads(2).enable_all().build().unwrap()
    }
}

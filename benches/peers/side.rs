//! One side of a contest.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

/// Does a job so many times over, and says how long that took: without what had to be made
/// ready for it, and without what was to be cleared away.
pub(crate) type Run = Box<dyn FnMut(u64) -> Duration>;

/// One who does the job.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    /// How many things are done each time, if it is a crowd of them.
    pub(crate) things: u64,
}

impl Side {
    pub(crate) fn new(name: &'static str, run: Run) -> Self {
        Self {
            name,
            run,
            things: 1,
        }
    }

    pub(crate) fn of(self, things: u64) -> Self {
        Self { things, ..self }
    }

    pub(crate) fn bench(&mut self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.throughput(Throughput::Elements(self.things));
        group.bench_function(self.name, |b| b.iter_custom(&mut self.run));
    }
}

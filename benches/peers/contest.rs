//! A job, and everyone who does it.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use crate::pairs::{self, Patience};
use crate::row::Row;

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

pub(crate) struct Contest {
    name: &'static str,
    patience: Patience,
    ours: Side,
    /// Each with the name of the measure that compares it with ours.
    peers: Vec<(&'static str, Side)>,
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

    fn bench(&mut self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.throughput(Throughput::Elements(self.things));
        group.bench_function(self.name, |b| b.iter_custom(&mut self.run));
    }
}

impl Contest {
    pub(crate) fn new(name: &'static str, ours: Side) -> Self {
        Self {
            name,
            patience: Patience::Usual,
            ours,
            peers: Vec::new(),
        }
    }

    /// Adds one whom ours is compared with, in the measure `row`.
    pub(crate) fn against(mut self, row: &'static str, peer: Side) -> Self {
        self.peers.push((row, peer));
        self
    }

    /// Both forms time the same runs.
    pub(crate) fn run_long(mut self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(self.name);
        if self.patience == Patience::Long {
            group.sample_size(10).sampling_mode(SamplingMode::Flat);
        }
        self.ours.bench(&mut group);
        for (_, peer) in &mut self.peers {
            peer.bench(&mut group);
        }
        group.finish();
    }

    pub(crate) fn run_short(mut self, wanted: &dyn Fn(&str) -> bool, mut report: impl FnMut(&Row)) {
        for (row, peer) in &mut self.peers {
            if wanted(row) {
                report(&pairs::compare(row, &mut self.ours, peer, self.patience));
            }
        }
    }
}

/// A job that needs nothing made ready and leaves nothing behind.
pub(crate) fn repeat(mut job: impl FnMut() + 'static) -> Run {
    Box::new(move |times| {
        let begun = Instant::now();
        for _ in 0..times {
            job();
        }
        begun.elapsed()
    })
}

//! A job, and everyone who does it.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use crate::pairs::{self, Pace};
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
    pace: Pace,
    ours: Side,
    /// Each with the name of the measure that compares it with ours, if there is one.
    peers: Vec<(Option<&'static str>, Side)>,
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
            pace: Pace::USUAL,
            ours,
            peers: Vec::new(),
        }
    }

    /// Adds one whom ours is compared with, in the measure `row`.
    pub(crate) fn against(mut self, row: &'static str, peer: Side) -> Self {
        self.peers.push((Some(row), peer));
        self
    }

    /// Adds one for the long form alone, because it takes so long.
    pub(crate) fn beside(mut self, peer: Side) -> Self {
        self.peers.push((None, peer));
        self
    }

    pub(crate) fn at(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Both forms time the same runs.
    pub(crate) fn run_long(mut self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(self.name);
        if self.pace.is_slow() {
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
            let Some(row) = row.filter(|row| wanted(row)) else {
                continue;
            };
            report(&pairs::compare(row, &mut self.ours, peer, self.pace));
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

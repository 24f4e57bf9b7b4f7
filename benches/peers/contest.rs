//! A job, and everyone who does it.

use std::time::Instant;

use criterion::{Criterion, SamplingMode};

use crate::pairs::{self, Pace};
use crate::row::Row;
use crate::side::{Run, Side};

pub(crate) struct Contest {
    name: &'static str,
    pace: Pace,
    ours: Side,
    /// Each with the name of the measure that compares it with ours, if there is one.
    peers: Vec<(Option<&'static str>, Side)>,
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

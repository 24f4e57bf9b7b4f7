//! Two sides, one after the other, many times: the short form.
//!
//! A machine that is shared is slower for a while, then faster. Both sides of a pair run
//! within milliseconds, so such a while is the same for both, and the ratio of a pair hardly
//! knows of it. What hits one side alone, an interrupt or another process, spoils that
//! pair, and the median of all pairs leaves it out. The ratio is that median, and not the
//! one of the two columns: each of those is a median over all whiles, and theirs need not
//! be the same one.

use std::time::{Duration, Instant};

use crate::row::Row;
use crate::side::Side;

/// How long to take.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// A run is at least as long, so that the clock and a cold cache count for little; and
    /// not much longer, so that the other side is next before the machine has changed.
    slice: Duration,
    /// Pairs are made for so long,
    limit: Duration,
    /// and there are as many at the least.
    least: usize,
}

impl Pace {
    pub(crate) const USUAL: Self = Self {
        slice: Duration::from_millis(1),
        limit: Duration::from_millis(600),
        least: 25,
    };

    /// Two threads are disturbed more often than one.
    pub(crate) const THREADS: Self = Self {
        slice: Duration::from_millis(2),
        limit: Duration::from_millis(2500),
        least: 10,
    };

    /// To make a crowd ready takes longer than what is measured.
    pub(crate) const CROWD: Self = Self {
        slice: Duration::from_millis(10),
        limit: Duration::from_secs(3),
        least: 5,
    };

    /// Whether a hundred runs are too many.
    pub(crate) fn is_slow(self) -> bool {
        self.limit >= Self::CROWD.limit
    }
}

pub(crate) fn compare(name: &str, ours: &mut Side, peer: &mut Side, pace: Pace) -> Row {
    let times = (filling(pace.slice, ours), filling(pace.slice, peer));
    let begun = Instant::now();
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    while begun.elapsed() < pace.limit || of_ours.len() < pace.least {
        // Who comes second finds what the first left of the caches: each in its turn.
        if of_ours.len() % 2 == 0 {
            of_ours.push(per_thing(ours, times.0));
            of_peer.push(per_thing(peer, times.1));
        } else {
            of_peer.push(per_thing(peer, times.1));
            of_ours.push(per_thing(ours, times.0));
        }
    }
    let ratios = of_ours.iter().zip(&of_peer).map(|(a, b)| a / b).collect();
    Row {
        name: name.to_owned(),
        ours: median(of_ours),
        peer: median(of_peer),
        ratio: median(ratios),
    }
}

/// How many times fill a slice.
fn filling(slice: Duration, side: &mut Side) -> u64 {
    let mut times = 1;
    while (side.run)(times) < slice {
        times *= 2;
    }
    times
}

/// In nanoseconds.
fn per_thing(side: &mut Side, times: u64) -> f64 {
    let took = (side.run)(times);
    took.as_secs_f64() * 1e9 / (times * side.things) as f64
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let half = of.len() / 2;
    match of.len() % 2 {
        0 => f64::midpoint(of[half - 1], of[half]),
        _ => of[half],
    }
}

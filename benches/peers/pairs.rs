//! Two sides, one after the other, many times: the short form.
//!
//! A machine that is shared is slower for a while, then faster. Both sides of a pair run
//! within milliseconds, so such a while is the same for both, and the ratio of a pair hardly
//! knows of it. What hits one side alone, an interrupt or another process, spoils that
//! pair, and the median of all pairs leaves it out. The ratio is that median, and not the
//! one of the two columns: each of those is a median over all whiles, and theirs need not
//! be the same one.

use std::time::{Duration, Instant};

use crate::contest::Side;
use crate::row::Row;

/// A run is at least as long: the clock and a cold cache count for little, and the other
/// side is next before the machine has changed.
const SLICE: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Usual,
    /// For what takes long to make ready.
    Long,
}

impl Patience {
    /// How long pairs are made for, and how many are made at the least.
    fn limits(self) -> (Duration, usize) {
        match self {
            Self::Usual => (Duration::from_millis(800), 25),
            Self::Long => (Duration::from_secs(4), 5),
        }
    }
}

pub(crate) fn compare(name: &str, ours: &mut Side, peer: &mut Side, patience: Patience) -> Row {
    let times = (slice(ours), slice(peer));
    let (limit, least) = patience.limits();
    let begun = Instant::now();
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    while begun.elapsed() < limit || of_ours.len() < least {
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
fn slice(side: &mut Side) -> u64 {
    let mut times = 1;
    while (side.run)(times) < SLICE {
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

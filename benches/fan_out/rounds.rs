//! Both sides in turn, many times. The ratio is the median of the ratios of all rounds.

use std::time::{Duration, Instant};

use crate::contest::{Contest, Side};
use crate::row::Row;
use crate::server::Server;

/// What a side takes in one round, at the least: the other one is next before the machine has
/// changed.
const SLICE: Duration = Duration::from_millis(4);

/// Rounds are made for so long,
const LIMIT: Duration = Duration::from_secs(5);
/// and there are as many at the least.
const LEAST: usize = 31;

pub(crate) fn compare(contest: &Contest) -> Row {
    let mut sides = [Side::Ours, Side::Peer].map(|side| Server::start(contest, side));
    let times = sides.each_mut().map(filling);
    let things = times.map(|times| (times * contest.part.items() * contest.count) as f64);
    let mut rounds = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT || rounds.len() < LEAST {
        // Who comes second finds what the first left of the caches: each in its turn.
        let order = if rounds.len() % 2 == 0 {
            [0, 1]
        } else {
            [1, 0]
        };
        let mut took = [0.0; 2];
        for side in order {
            let time = sides[side].run(times[side]);
            took[side] = time.as_secs_f64() * 1e9 / things[side];
        }
        rounds.push(took);
    }
    let of = |read: fn(&[f64; 2]) -> f64| median(rounds.iter().map(read).collect());
    Row {
        name: contest.name.to_owned(),
        ours: of(|[ours, _]| *ours),
        peer: of(|[_, peer]| *peer),
        ratio: of(|[ours, peer]| ours / peer),
    }
}

/// How many times fill a slice.
fn filling(side: &mut Server) -> u64 {
    let mut times = 1;
    while side.run(times) < SLICE {
        times *= 2;
    }
    times
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let half = of.len() / 2;
    match of.len() % 2 {
        0 => f64::midpoint(of[half - 1], of[half]),
        _ => of[half],
    }
}

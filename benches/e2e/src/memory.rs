//! What a stream takes of the server's memory while it is idle.

use crate::kernel::resident;
use crate::mode::Mode;
use crate::pair::Pair;
use crate::rounds::in_turn;
use crate::row::Row;

/// Streams that are open before, so that what a server needs once is there.
const BEFORE: u64 = 20;

pub(crate) struct Contest {
    pub(crate) name: &'static str,
    ours: Mode,
    goal: f64,
}

pub(crate) const CONTESTS: [Contest; 2] = [
    Contest {
        name: "e2e_rss_idle",
        ours: Mode::Hangup,
        goal: 1.00,
    },
    Contest {
        name: "e2e_rss_idle_topic",
        ours: Mode::Topic,
        goal: 0.96,
    },
];

pub(crate) fn compare(contest: &Contest, streams: u64, rounds: usize) -> Row {
    let sides = [contest.ours, Mode::ByHand];
    let name = (contest.name.to_owned(), Some(contest.goal));
    let [row] = in_turn(rounds, [name], |side| {
        let mut pair = Pair::start(sides[side]);
        pair.order(&format!("open {BEFORE}"));
        let before = resident(&pair.server) as f64;
        pair.order(&format!("open {streams}"));
        [(resident(&pair.server) as f64 - before) / streams as f64]
    });
    row
}

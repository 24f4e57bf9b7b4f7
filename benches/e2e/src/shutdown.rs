//! From SIGTERM until all streams have their farewell, and until the process has ended.

use std::time::Instant;

use crate::mode::Mode;
use crate::pair::Pair;
use crate::rounds::in_turn;
use crate::row::Row;
use crate::scale::Scale;

pub(crate) struct Contest {
    pub(crate) name: &'static str,
    ours: Mode,
}

pub(crate) const CONTESTS: [Contest; 2] = [
    Contest {
        name: "e2e_shutdown",
        ours: Mode::Hangup,
    },
    Contest {
        name: "e2e_shutdown_at_once",
        ours: Mode::HangupAtOnce,
    },
];

pub(crate) fn compare(contest: &Contest, scale: &Scale) -> [Row; 2] {
    let sides = [contest.ours, Mode::ByHand];
    let names = [("farewells", 0.80), ("ended", 0.85)];
    let names = names.map(|(what, goal)| (format!("{}_{what}", contest.name), Some(goal)));
    in_turn(scale.ended_rounds, names, |side| {
        let mut pair = Pair::start(sides[side]);
        pair.order(&format!("open {}", scale.ended));
        pair.tell("end");
        let begun = Instant::now();
        pair.terminate();
        pair.answer();
        let farewells = begun.elapsed();
        let ended = pair.server_ended();
        let all = begun.elapsed();
        assert!(ended.success(), "{ended}");
        [farewells, all].map(|it| it.as_secs_f64() * 1e3)
    })
}

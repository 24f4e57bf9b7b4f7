//! How long an event takes to reach all streams, while others come and go.

use crate::mode::Mode;
use crate::pair::Pair;
use crate::rounds::in_turn;
use crate::row::Row;
use crate::scale::Scale;

/// Streams that come and go, in a second.
const RATE: u64 = 1000;

pub(crate) fn compare(scale: &Scale) -> [Row; 2] {
    let mut sides = [Mode::Hangup, Mode::ByHand].map(Pair::start);
    for side in &mut sides {
        side.order(&format!("open {}", scale.reached));
    }
    let order = format!("latency {} {RATE}", scale.reached_events);
    let names = ["e2e_publish_p50", "e2e_publish_p99"].map(|it| (it.to_owned(), None));
    in_turn(scale.reached_rounds, names, |side| {
        let answer = sides[side].order(&order);
        let mut numbers = answer.split(' ').map(|it| it.parse::<f64>().unwrap());
        let [half, last, rate] = [(); 3].map(|()| numbers.next().unwrap());
        if rate < 0.9 * RATE as f64 {
            eprintln!("the machine is busy: {rate} streams a second, of {RATE}");
        }
        [half / 1e3, last / 1e3]
    })
}

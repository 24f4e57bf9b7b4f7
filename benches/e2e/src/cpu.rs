//! The server's time on a core, the kernel's part included. Both sides stand by, and take turns.

use crate::contest::Contest;
use crate::kernel::cpu_time;
use crate::pair::Pair;
use crate::rounds::in_turn;
use crate::row::Row;
use crate::scale::Scale;

pub(crate) fn compare(contest: &Contest, scale: &Scale) -> Row {
    let &Scale {
        streams,
        events,
        visits,
        ..
    } = scale;
    let mut sides = contest.sides.map(Pair::start);
    let order = contest.work.order(events, visits);
    for side in &mut sides {
        side.order(&format!("open {streams}"));
        side.order(&order);
        side.order("settle");
    }
    let name = (format!("{}_cpu", contest.name), contest.goals[1]);
    let [row] = in_turn(scale.rounds, [name], |side| {
        let side = &mut sides[side];
        let before = cpu_time(&side.server);
        side.order(&order);
        side.order("settle");
        let took = cpu_time(&side.server) - before;
        [took.as_secs_f64() * 1e9 / contest.work.things(streams, events, visits)]
    });
    row
}

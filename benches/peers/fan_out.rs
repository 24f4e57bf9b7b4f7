//! What an item costs that goes to many: from the call that publishes until each subscriber's
//! task has it and sleeps again. The bench `fan_out` measures the same without the clock.

use std::time::{Duration, Instant};

use hangup_benches::audience::{
    Audience, Join, Meter, broadcast_channel, broadcast_stream, floor, mpsc_each, topic,
};

use crate::contest::Contest;
use crate::pairs::Pace;
use crate::side::{Run, Side};

pub(crate) fn contests(largest_crowd: u64) -> Vec<Contest> {
    let crowd = |most: u64| most.min(largest_crowd);
    let [hundred, ten, all] = [100, 10_000, 100_000].map(crowd);
    vec![
        contest("fan out to 1", 1, topic)
            .against("fan_out_1", side("broadcast", 1, broadcast_channel)),
        contest("fan out to 100", hundred, topic)
            .against("fan_out_100", side("broadcast", hundred, broadcast_channel)),
        contest("fan out to 10,000", ten, topic)
            .against("fan_out_10k", side("broadcast", ten, broadcast_channel))
            .against(
                "fan_out_10k_vs_stream",
                side("BroadcastStream", ten, broadcast_stream),
            )
            .against("fan_out_10k_vs_mpsc", side("mpsc each", ten, mpsc_each))
            .against("fan_out_10k_vs_floor", side("a wake", ten, floor)),
        contest("fan out to 100,000", all, topic)
            .against("fan_out_100k", side("broadcast", all, broadcast_channel))
            .at(Pace::CROWD),
        Contest::new(
            "publish to 10,000",
            Side::new("hangup", publishing(ten, topic)).of(ten),
        )
        .against(
            "fan_out_publish_10k",
            Side::new("broadcast", publishing(ten, broadcast_channel)).of(ten),
        ),
        Contest::new(
            "fan out to 10,000 on two threads",
            Side::new("hangup", on_two_threads(ten, topic)).of(ten),
        )
        .against(
            "fan_out_10k_two_threads",
            Side::new("broadcast", on_two_threads(ten, broadcast_channel)).of(ten),
        )
        .at(Pace::THREADS),
    ]
}

fn contest(name: &'static str, count: u64, join: Join) -> Contest {
    Contest::new(name, side("hangup", count, join))
}

fn side(name: &'static str, count: u64, join: Join) -> Side {
    let make = move || Audience::new(count, join);
    Side::new(name, run(make, Audience::whole)).of(count)
}

fn publishing(count: u64, join: Join) -> Run {
    run(move || Audience::new(count, join), Audience::publishing)
}

fn on_two_threads(count: u64, join: Join) -> Run {
    let make = move || Audience::on_two_threads(count, join);
    run(make, Audience::whole)
}

/// The audience is made when it is first wanted: most runs want a few rows.
fn run(
    make: impl Fn() -> Audience + 'static,
    part: fn(&mut Audience, Meter, u64) -> Duration,
) -> Run {
    let mut audience = None;
    Box::new(move |times| part(audience.get_or_insert_with(&make), wall, times))
}

fn wall(part: &mut dyn FnMut()) -> Duration {
    let begun = Instant::now();
    part();
    begun.elapsed()
}

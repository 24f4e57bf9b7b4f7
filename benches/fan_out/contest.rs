//! The rows: what is measured, for how many, and who else does it.

use std::time::Duration;

use hangup_benches::audience::{
    Audience, BACKLOG, Join, broadcast_channel, broadcast_stream, floor, mpsc_each, topic,
};

use crate::clock;

pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    /// How many subscribers.
    pub(crate) count: u64,
    peer: Join,
}

/// What is measured of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    OnTwoThreads,
    FromOutside,
    Publishing,
    Behind,
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Ours,
    Peer,
}

pub(crate) const CONTESTS: [Contest; 12] = [
    contest("fan_out_1", Part::Whole, 1, broadcast_channel),
    contest("fan_out_100", Part::Whole, 100, broadcast_channel),
    contest("fan_out_10k", Part::Whole, 10_000, broadcast_channel),
    contest("fan_out_100k", Part::Whole, 100_000, broadcast_channel),
    contest(
        "fan_out_10k_two_threads",
        Part::OnTwoThreads,
        10_000,
        broadcast_channel,
    ),
    contest(
        "fan_out_10k_vs_stream",
        Part::Whole,
        10_000,
        broadcast_stream,
    ),
    contest("fan_out_10k_vs_mpsc", Part::Whole, 10_000, mpsc_each),
    contest("fan_out_10k_vs_floor", Part::Whole, 10_000, floor),
    contest(
        "fan_out_100k_from_outside",
        Part::FromOutside,
        100_000,
        broadcast_channel,
    ),
    contest(
        "fan_out_10k_from_outside_vs_floor",
        Part::FromOutside,
        10_000,
        floor,
    ),
    contest(
        "fan_out_publish_10k",
        Part::Publishing,
        10_000,
        broadcast_channel,
    ),
    contest("fan_out_16_behind", Part::Behind, 1000, broadcast_channel),
];

const fn contest(name: &'static str, part: Part, count: u64, peer: Join) -> Contest {
    Contest {
        name,
        part,
        count,
        peer,
    }
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
        }
    }
}

impl Contest {
    /// As a process of one side is told.
    pub(crate) fn named(row: &str, side: &str) -> (&'static Self, Side) {
        let contest = CONTESTS.iter().find(|it| it.name == row);
        let side = [Side::Ours, Side::Peer]
            .into_iter()
            .find(|it| it.name() == side);
        contest.zip(side).expect("a row, and `ours` or `peer`")
    }

    /// The subscribers of one side, or fewer for a test.
    pub(crate) fn audience(&self, side: Side, most: u64) -> Audience {
        let join = match side {
            Side::Ours => topic,
            Side::Peer => self.peer,
        };
        let count = self.count.min(most);
        match self.part {
            Part::OnTwoThreads => Audience::on_two_threads(count, join),
            Part::Whole | Part::FromOutside | Part::Publishing | Part::Behind => {
                Audience::new(count, join)
            }
        }
    }
}

impl Part {
    pub(crate) fn run(self, audience: &mut Audience, times: u64) -> Duration {
        match self {
            Self::Whole => audience.whole(clock::THREAD, times),
            Self::OnTwoThreads => audience.whole(clock::PROCESS, times),
            Self::FromOutside => audience.from_outside(clock::THREAD, times),
            Self::Publishing => audience.publishing(clock::THREAD, times),
            Self::Behind => audience.behind(clock::THREAD, times),
        }
    }

    /// How many items reach a subscriber each time.
    pub(crate) fn items(self) -> u64 {
        match self {
            Self::Whole | Self::OnTwoThreads | Self::FromOutside | Self::Publishing => 1,
            Self::Behind => BACKLOG,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONTESTS, Side};

    /// An audience panics if a subscriber is not woken, or takes an item twice.
    #[test]
    fn each_side_of_each_row_takes_every_item_once() {
        for contest in &CONTESTS {
            for side in [Side::Ours, Side::Peer] {
                let mut audience = contest.audience(side, 10);
                assert_eq!(audience.count(), contest.count.min(10));
                contest.part.run(&mut audience, 3);
            }
        }
    }
}

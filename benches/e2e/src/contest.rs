//! The rows: what a server does, on `hangup` and by hand, and how it is to come out.

use crate::mode::Mode;

pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) sides: [Mode; 2],
    pub(crate) work: Work,
    /// The most that ours may be of the peer's: in instructions, and in CPU time.
    pub(crate) goals: [Option<f64>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A client connects, has its first event, and disconnects.
    Churn,
    /// A client opens a stream, and another request ends it.
    OpenStop,
    /// An event reaches all streams.
    Delivery,
}

pub(crate) const CONTESTS: [Contest; 6] = [
    Contest {
        name: "e2e_churn",
        sides: [Mode::Hangup, Mode::ByHand],
        work: Work::Churn,
        goals: [Some(1.00), None],
    },
    Contest {
        name: "e2e_open_stop",
        sides: [Mode::Hangup, Mode::ByHand],
        work: Work::OpenStop,
        goals: [Some(1.00), None],
    },
    Contest {
        name: "e2e_delivery_mpsc",
        sides: [Mode::Hangup, Mode::ByHand],
        work: Work::Delivery,
        goals: [Some(0.96), None],
    },
    Contest {
        name: "e2e_delivery_broadcast",
        sides: [Mode::HangupBroadcast, Mode::ByHandBroadcast],
        work: Work::Delivery,
        goals: [Some(0.92), None],
    },
    Contest {
        name: "e2e_delivery_topic",
        sides: [Mode::Topic, Mode::ByHandBroadcast],
        work: Work::Delivery,
        goals: [Some(0.60), Some(0.82)],
    },
    Contest {
        name: "e2e_delivery_topic_vs_mpsc",
        sides: [Mode::Topic, Mode::ByHand],
        work: Work::Delivery,
        goals: [None, None],
    },
];

impl Work {
    /// As a client is told.
    pub(crate) fn order(self, events: u64, visits: u64) -> String {
        match self {
            Self::Churn => format!("churn {visits}"),
            Self::OpenStop => format!("open_stop {visits}"),
            Self::Delivery => format!("publish {events}"),
        }
    }

    /// What the cost is divided by: streams that come and go, or events of each stream.
    pub(crate) fn things(self, streams: u64, events: u64, visits: u64) -> f64 {
        match self {
            Self::Churn | Self::OpenStop => visits as f64,
            Self::Delivery => (streams * events) as f64,
        }
    }
}

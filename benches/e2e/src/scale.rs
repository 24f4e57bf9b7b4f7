//! How much of everything.

/// What a run takes.
pub(crate) struct Scale {
    /// Streams that are open while instructions are counted, and
    pub(crate) counted_streams: u64,
    /// what each of them is sent, and how many others come and go: so many times, and twice as
    /// many.
    pub(crate) counted_events: u64,
    pub(crate) counted_visits: u64,
    /// The count is the median of so many.
    pub(crate) counts: usize,
    /// The same for CPU time, in each round.
    pub(crate) streams: u64,
    pub(crate) events: u64,
    pub(crate) visits: u64,
    pub(crate) rounds: usize,
    /// Streams that are idle, while memory is measured.
    pub(crate) idle: u64,
    pub(crate) idle_rounds: usize,
    /// Streams that a shutdown ends.
    pub(crate) ended: u64,
    pub(crate) ended_rounds: usize,
    /// Streams that an event reaches while others come and go, in each round.
    pub(crate) reached: u64,
    pub(crate) reached_events: u64,
    pub(crate) reached_rounds: usize,
}

/// What the figures are made with.
pub(crate) const FULL: Scale = Scale {
    counted_streams: 200,
    counted_events: 20,
    counted_visits: 200,
    counts: 3,
    streams: 1000,
    events: 10,
    visits: 200,
    rounds: 21,
    idle: 15_000,
    idle_rounds: 3,
    ended: 2000,
    ended_rounds: 11,
    reached: 100,
    reached_events: 250,
    reached_rounds: 7,
};

/// All that can be wrong, without a figure.
pub(crate) const TINY: Scale = Scale {
    counted_streams: 2,
    counted_events: 2,
    counted_visits: 2,
    counts: 1,
    streams: 3,
    events: 2,
    visits: 2,
    rounds: 1,
    idle: 50,
    idle_rounds: 1,
    ended: 5,
    ended_rounds: 1,
    reached: 3,
    reached_events: 5,
    reached_rounds: 1,
};

//! What a connection has from its beginning, if its scope asks for it.

use super::event_queue::EventQueue;
use super::indices::IndicesAbove;
use crate::time::Timers;

/// Behind one pointer, so that a connection of a plain scope has one word for all of it.
pub(super) struct Rare<C> {
    /// `Some` if an observer is told of the transitions.
    pub(super) events: Option<Box<EventQueue<C>>>,
    /// `Some` if the connection has deadlines.
    pub(super) timers: Option<Timers>,
    pub(super) indices_above: IndicesAbove,
}

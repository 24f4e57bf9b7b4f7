//! Deadlines, and how they are measured without a clock read per connection.

mod deadlines;
mod stamps;
mod timers;

pub use deadlines::Deadlines;
pub(crate) use stamps::FIRST;
pub(crate) use timers::{Overdue, Timers};

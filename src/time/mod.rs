//! Deadlines, and how they are measured without a clock read per connection.

mod deadlines;
mod sweep_clock;
mod stamps;
mod timers;

pub use deadlines::Deadlines;
pub(crate) use sweep_clock::{SweepClock, SweepTime};
pub(crate) use timers::{Overdue, Timers};

//! What scopes, drains and connections report about themselves: values, to log and to count.

pub use crate::connection::Taken;
pub use crate::id::ConnectionId;
pub use crate::lifecycle::WaitsFor;
pub use crate::lifecycle::group::Stats;
pub use crate::lifecycle::telemetry::{DrainEvent, Transition};
pub use crate::scope::{AbandonedUndo, DrainReport, Unsettled};

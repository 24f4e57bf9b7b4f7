//! What scopes, drains, connections and registries report about themselves: values, to log, to
//! count and to look at.

pub use crate::connection::{ItemCounter, Taken};
pub use crate::id::{ConnectionId, ParseIdError};
pub use crate::lifecycle::group::Stats;
pub use crate::lifecycle::settled::Settled;
pub use crate::lifecycle::telemetry::{DrainEvent, Transition};
pub use crate::lifecycle::{HeldKey, Snapshot, WaitsFor};
pub use crate::registry::Member;
pub use crate::scope::{AbandonedUndo, DrainReport, Unsettled};

//! The futures and streams that the methods of this crate return.
//!
//! Their names are rarely written out: they are `.await`ed, polled or returned.

pub use crate::connection::{
    Farewell, Finish, GatedLoop, Holding, Interval, Run, Spawned, Step, TakeOver, Tracked,
};
pub use crate::lifecycle::{CloseWhen, WaitForClosed, WaitForSettled};
pub use crate::scope::{Drain, DrainAfter, Drained, Serve};
#[cfg(feature = "http-body")]
pub use crate::stream::SseHeartbeat;
pub use crate::stream::{Cadence, Gated, Heartbeat, Items, Kind, Results};

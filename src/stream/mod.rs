//! Streams and bodies that own a live connection, and their heartbeats.

mod quiet;
mod items;
mod parting;
mod live_stream;
mod heartbeat;
mod cadence;
mod gate;
#[cfg(feature = "http-body")]
mod boundaries;
#[cfg(feature = "http-body")]
mod live_body;
#[cfg(feature = "http-body")]
mod sse;

pub use cadence::Cadence;
pub use gate::Gated;
pub use heartbeat::Heartbeat;
pub use items::{Items, Kind, Results};
#[cfg(feature = "http-body")]
pub use live_body::LiveBody;
pub use live_stream::LiveStream;
#[cfg(feature = "http-body")]
pub use sse::SseHeartbeat;

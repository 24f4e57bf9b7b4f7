//! Streams and bodies that own a live connection, and their heartbeats.

mod quiet;
mod live_stream;
mod heartbeat;
#[cfg(feature = "http-body")]
mod live_body;
#[cfg(feature = "http-body")]
mod sse;

pub use heartbeat::Heartbeat;
#[cfg(feature = "http-body")]
pub use live_body::LiveBody;
pub use live_stream::LiveStream;
#[cfg(feature = "http-body")]
pub use sse::SseHeartbeat;

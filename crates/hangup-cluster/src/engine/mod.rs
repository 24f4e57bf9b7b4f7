//! What the protocol needs of an engine: records with compare-and-swap, hints, and a log.
//!
//! The three traits are separate, so that claims may live in one engine and events in another.
//! Their futures may be dropped at any await; what was sent may take effect all the same, at any
//! later time, and the protocol bears that. All methods answer within a bounded time: a call that
//! gets no answer is [`EngineError::Unknown`].

mod claims;
mod error;
mod hints;
mod log;

pub use claims::{Claims, MAX_NAME, Record, Revision, Swapped};
pub use error::EngineError;
pub use hints::{HintStream, Hints};
pub use log::{Log, LogEvent, LogStream};

use std::future::Future;
use std::pin::Pin;

/// The answer of an engine.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

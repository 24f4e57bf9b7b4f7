//! How a call of an engine fails.

use std::error::Error;
use std::sync::Arc;

/// A call of an engine has failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There was no answer, or one that tells nothing: what was asked for may have taken effect,
    /// may take effect later, or never.
    #[error("no answer of the engine: {0}")]
    Unknown(#[source] Arc<dyn Error + Send + Sync>),
    /// The engine has lost what it acknowledged: it has another incarnation than the one that
    /// was [adopted](super::Claims::adopt). Nothing was done.
    #[error("the engine has forgotten everything")]
    Forgotten,
    /// A name, a value or an item is larger than the engine takes. Nothing was done.
    #[error("larger than the engine takes: {size} bytes, at most {limit}")]
    TooLarge {
        /// How many bytes it has.
        size: usize,
        /// The most that is taken.
        limit: usize,
    },
}

impl EngineError {
    /// An answer that was lost, and why.
    pub fn unknown(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unknown(Arc::from(why.into()))
    }
}

//! How the calls of topics fail.

use hangup::CloseReason;
use hangup::runtime::NoRuntime;

use crate::engine::EngineError;

/// Why an item may not have been published.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No attempt was answered within the
    /// [deadline](super::TopicsBuilder::publish_deadline): the item is in the log, or comes into
    /// it later, or never. To publish it again may double it.
    #[error("not known to be published after {attempts} attempts")]
    Unknown {
        /// How often it was tried.
        attempts: u32,
        /// How the last attempt failed.
        source: EngineError,
    },
    /// The engine has another incarnation than the one that the node has
    /// [adopted](crate::engine::Claims::adopt). The item is not in its log, and does not come
    /// into it.
    #[error("not published: the engine has forgotten everything")]
    Forgotten,
    /// The item is larger than the engine takes. It is not in the log.
    #[error("not published: {size} bytes, at most {limit}")]
    TooLarge {
        /// How many bytes it has.
        size: usize,
        /// The most that is taken.
        limit: usize,
    },
}

/// Why there is no subscription.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// As many keys are in use on this node as [may be](super::TopicsBuilder::max_keys).
    #[error("too many topics")]
    TooManyKeys,
    /// The key was not in use on this node, and the engine did not tell where its log ends. It
    /// is worth another attempt.
    #[error("the engine is not available")]
    Unavailable(#[source] EngineError),
    /// The topics are [closed](super::Topics::close), or their runtime has shut down.
    #[error("the topics are closed: {0}")]
    Closed(CloseReason),
}

/// Why topics cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildTopicsError {
    /// They were given no runtime, and this thread is in none.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
}

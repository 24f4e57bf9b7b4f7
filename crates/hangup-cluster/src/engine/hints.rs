//! Messages between nodes that may be lost.

use std::pin::Pin;

use futures_core::Stream;

use super::Answer;

/// Messages to one node, at most once: they make things fast, and no truth depends on them.
pub trait Hints: Send + Sync + 'static {
    /// Sends `hint` to those who listen at `inbox`, a [name](super::Claims) without dots.
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()>;

    /// What is sent to `inbox` from now on. When this has answered, what is sent arrives unless it
    /// is lost.
    ///
    /// The stream outlives lost connections. If it ends, it is listened to anew.
    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream>;
}

/// The hints of one inbox.
pub type HintStream = Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>;

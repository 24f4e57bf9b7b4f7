//! Pages to copy from: how to put the crate into a server that exists, and what to look for.
//!
//! - [`servers`]: put it into your server: axum, tonic, actix-web, rmcp.
//! - [`answers`]: what to answer a request that is refused, and a stream that is closed.
//! - [`defaults`]: what is off until you turn it on.
//! - [`symptoms`]: which of these races do I have?
//! - [`testing`]: your own handlers, under every ending, in twenty lines.
//! - [When not to use it](crate#when-not-to-use-it), on the front page.

pub mod servers;
pub mod answers;
pub mod defaults;
pub mod symptoms;
pub mod testing;

//! Redis and Valkey as the engine of `hangup-cluster`.
//!
//! [`Redis`] implements [`Claims`](hangup_cluster::engine::Claims),
//! [`Hints`](hangup_cluster::engine::Hints) and [`Log`](hangup_cluster::engine::Log) on one
//! server, 6.2 or later, or on Valkey. What a server may lose, and what is done about it, is in
//! the README of this crate.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
mod server;
mod script;
mod link;
mod hub;
mod engine;
mod limits;
mod answer;
mod page;
mod claims;
mod hints;
mod log;

pub use engine::{Builder, ConnectError, MAX_VALUE, Redis};
pub use redis;

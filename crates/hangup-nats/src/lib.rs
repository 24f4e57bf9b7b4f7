//! [NATS](https://nats.io) JetStream as the engine of [`hangup_cluster`]: claims, hints and a log
//! with replay in one server process, or in three.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
mod names;
mod attempts;
mod settings;
mod streams;
mod shared;
mod life;
mod engine;
mod builder;
mod write;
mod claims;
mod hints;
mod log;

pub use async_nats;
pub use builder::{MIN_LOG_ITEMS, NatsBuilder};
pub use engine::Nats;

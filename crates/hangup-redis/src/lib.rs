//! Redis and Valkey as the engine of `hangup-cluster`.
//!
//! [`Redis`] implements [`Claims`](hangup_cluster::engine::Claims),
//! [`Hints`](hangup_cluster::engine::Hints) and [`Log`](hangup_cluster::engine::Log) on one
//! server: Redis 6.2 or later, or Valkey. Each step is one script, so it is done whole or not at
//! all; a [`Builder`] has the options.
//!
//! # What the server may lose
//!
//! Redis may lose what it has acknowledged, and by default it does. A store that has lost
//! something is noticed: it was wiped, or another process of the server answers than the one that
//! began its life, and that one may have lost something. Every call is
//! [`Forgotten`](hangup_cluster::engine::EngineError::Forgotten) then, until
//! [`adopt`](hangup_cluster::engine::Claims::adopt) begins or takes another life. Revisions go on
//! ascending, since they begin at the server's clock.
//!
//! A server that syncs each write, `appendonly yes` and `appendfsync always`, loses nothing at a
//! restart, and all goes on. Where its replicas may take over, say so by
//! [`Builder::durable`]`(false)`. The README has a table of what is lost and what is noticed, and
//! what else the server has to be.
//!
//! # Errors
//!
//! What the server refuses, and what it does not answer within the
//! [timeout](Builder::timeout), is [`Unknown`](hangup_cluster::engine::EngineError::Unknown). Calls
//! that can be repeated are repeated once when the connection is lost; `swap` is not. Values, hints
//! and items of more than [`MAX_VALUE`] bytes, and names of more than
//! [`MAX_NAME`](hangup_cluster::engine::MAX_NAME), are
//! [`TooLarge`](hangup_cluster::engine::EngineError::TooLarge).
//!
//! # Keys
//!
//! All begin with the prefix in braces, so that they are in one slot of a Redis Cluster.
//!
//! | key or channel | what it is |
//! |---|---|
//! | `{hangup}:incarnation` | a hash: the life, and the process that began it, or `*` |
//! | `{hangup}:revision` | the last revision |
//! | `{hangup}:r:NAME` | a hash: a record's revision, value, and life |
//! | `{hangup}:h:INBOX` | the channel of an inbox |
//! | `{hangup}:l:TOPIC` | a stream: the items of a topic; and the channel that wakes its readers |
//! | `{hangup}:n:TOPIC` | the life and the last number of a topic |
//! | `{hangup}:i:TOPIC:ID` | the life and the number of the item with this id |
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

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

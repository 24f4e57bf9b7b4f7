//! Several nodes for `hangup`: one connection per key, presence, and fan-out with replay, on an
//! existing engine.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
pub mod engine;
mod epoch;
mod signal;
mod waiters;
mod lease;
mod key;
mod record;
mod hint;
mod error;
mod node;
mod cluster;
mod builder;
mod claim;
pub mod memory;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;

pub use builder::ClusterBuilder;
pub use claim::{Claim, Claiming, Gate, LiveExt, RegisteringExt};
pub use cluster::{CloseError, Cluster, ClusterKey, Location};
pub use epoch::Epoch;
pub use error::{ClaimError, JoinError};
pub use key::{Key, KeyTooLong};
pub use node::{NodeInfo, OnLapse, Predecessor};

//! Several nodes for `hangup`: one connection per key, presence, and fan-out with replay, on an
//! existing engine.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
pub mod engine;
pub mod memory;

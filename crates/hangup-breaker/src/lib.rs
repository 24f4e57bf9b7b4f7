//! Breaks a cluster of servers on purpose, and counts what reaches the resource that they guard.
//!
//! Each scenario starts an engine, nodes as processes of their own, and a [`Resource`]: it kills,
//! stops, cuts off and drains, and says what became of the owners of the keys. The figures are
//! [rows](report::Row) with limits, and a run fails if one is worse.
//!
//! The [`Resource`] is of use by itself: tell your own servers where it is, let them send it each
//! step of an owner, and look at its [counts](resource::Counts).
//!
//! [`Resource`]: resource::Resource
#![forbid(unsafe_code)]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
pub mod failure;
pub mod report;
mod dice;
pub mod http;
pub mod sse;
pub mod proxy;
pub mod process;
pub mod resource;
pub mod engine;
pub mod gateway;
pub mod stream;
pub mod node;
pub mod stage;
pub mod scenarios;

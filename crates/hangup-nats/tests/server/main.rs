//! The engine on a real server: what is special to NATS. What every engine owes is in the
//! conformance suite.

mod bench;
mod proxy;

mod claims;
mod cluster;
mod elections;
mod failures;
mod hints;
mod lives;
mod log;

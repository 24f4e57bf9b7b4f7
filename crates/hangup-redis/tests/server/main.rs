//! The engine on a real server: what is special to Redis. What every engine owes is in the
//! conformance suite.

mod bench;
mod proxy;

mod answers;
mod claims;
mod failures;
mod hints;
mod lives;
mod log;

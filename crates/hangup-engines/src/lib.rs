//! Servers of engines, for tests: real ones, on loopback, which are killed, stopped and started
//! again at will.
#![forbid(unsafe_code)]

mod process;
pub mod nats;
pub mod redis;

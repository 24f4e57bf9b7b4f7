//! Servers of engines, for tests: real ones, on loopback, which are killed, stopped and started
//! again at will.
#![forbid(unsafe_code)]

pub mod redis;

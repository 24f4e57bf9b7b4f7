//! Fan-out with replay over several nodes, on the engine in memory and its faults.

mod engine;
mod faults;
mod hops;
mod keys;
mod long;
mod publish;
mod ring;
mod support;
mod warm;

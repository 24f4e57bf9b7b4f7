//! Runtimes that end while connections are open, and connections that end outside of any.
//! Nothing hangs, nothing panics, and all of them settle.

#[path = "../support/census.rs"]
mod census;

mod bounded;
mod outside;
mod phases;
mod shutdown;
#[cfg(unix)]
mod standstill;
mod without;
mod world;

//! Each server does the whole job, and so does the bench.

mod server;
mod bench;
mod modes;

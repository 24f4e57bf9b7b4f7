//! Drives the example servers with real clients that vanish at any moment, and says which of
//! four demands a server meets: see [`Demand`].
//!
//! Each server is a process of its own: [`build`] gives the path of a binary, [`Server`] runs it.
//! A drive takes that path and returns a [`Report`].
//!
//! A process does not tell when it has done something. So a drive looks again and again, until it
//! sees that or a deadline passes: each short sleep is the pause between two looks. The other
//! sleeps are the lives of clients, of random lengths.

pub mod binaries;
pub mod http;
mod kernel;
pub mod plan;
pub mod reader;
pub mod report;
pub mod server;
pub mod sse;

pub use binaries::build;
pub use plan::{Dice, Plan};
pub use reader::Reader;
pub use report::{Answer, Demand, Ending, Exit, Report};
pub use server::Server;

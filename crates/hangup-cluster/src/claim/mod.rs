//! Claiming a key for a connection.

mod claimed;
mod claiming;

pub use claimed::{Claim, Gate};
pub use claiming::{Claiming, RegisteringExt};

//! What a connection does with the keys of a cluster.

mod claimed;
mod claiming;
mod presence;

pub use claimed::Claim;
pub use claiming::{Claiming, RegisteringExt};
pub use presence::LiveExt;

//! A node: its session, and the seats that its connections have.

mod moment;
mod session;
mod seat;
mod seats;
mod present;
mod state;
mod release;
mod acquire;
mod inbox;
mod leave;
mod roster;
mod presence;
mod keeper;
mod watchdog;

pub(crate) use keeper::{join, keep};
pub use roster::NodeInfo;
pub(crate) use roster::nodes;
pub(crate) use seat::{LocalSeat, Owned, Refusal, Undone};
pub use seat::{OnLapse, Predecessor};
pub(crate) use state::{NoSeat, Node, Parts, Timing};
pub(crate) use watchdog::watch;

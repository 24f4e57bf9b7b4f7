//! A kit that finds the races of long-lived streams in your own handlers.

mod abort_everywhere;
mod client;
mod ending;
mod fault;
mod ledger;
#[cfg(feature = "tokio")]
mod on_tokio;
mod race;
mod report;
mod run;
mod signal;
mod time;
mod trial;

pub use abort_everywhere::{AbortEverywhere, abort_everywhere};
pub use client::Client;
pub use ending::Ending;
pub use fault::Fault;
pub use ledger::{Held, Kind, Ledger, Party};
pub use race::Race;
pub use report::{Failure, NotExplored, Report};
pub use signal::{Fired, ListenerId, Signal};
pub use trial::{Point, Tick, Timer, Trial};

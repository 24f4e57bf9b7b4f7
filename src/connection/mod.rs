//! The typed states of a connection, and what its owner can do in each.

mod owner;
mod live;
mod hold_open;
mod interval;
mod registering;
mod pending;
mod duty;
mod undo_methods;
mod step;
mod take_over;
mod on_close_async;
mod abort_on;
mod track;
mod spawn;
mod finish;
mod flush;
mod abortable;
mod closing;
mod run;
mod gate;

pub(crate) use abortable::Abortable;
pub use closing::{Closing, Farewell};
pub use finish::Finish;
pub(crate) use flush::Flush;
pub(crate) use gate::Gate;
pub use gate::GatedLoop;
pub use interval::Interval;
pub use live::Live;
pub(crate) use owner::Owner;
pub use pending::Pending;
pub use registering::Registering;
pub use run::Run;
pub use spawn::Spawned;
pub use step::{Holding, Step};
pub use take_over::{TakeOver, Taken};
pub use track::Tracked;

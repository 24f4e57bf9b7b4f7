//! The life of one connection, from its word to its handle.

pub(crate) mod word;
pub(crate) mod settled;
mod waits_for;
pub(crate) mod telemetry;
pub(crate) mod event_queue;
pub(crate) mod group;
mod task_list;
mod undos;
mod memberships;
mod running_undo;
mod indices;
mod about;
mod rare;
mod progress;
mod cell;
#[cfg(feature = "tracing")]
mod span;
mod annotated;
mod items;
mod member;
mod wakers;
mod end;
mod tasks;
mod timed;
mod report;
mod unwind;
mod nesting;
mod ending;
mod batch;
mod async_undo;
mod farewell;
mod handle;
mod inspect;
pub(crate) mod observer;
#[cfg(feature = "tokio-util")]
mod token;
mod waker_slot;
mod fail_on_panic;
mod close_when;

pub(crate) use batch::Batch;
pub(crate) use cell::Lifecycle;
pub use close_when::CloseWhen;
pub use end::End;
pub(crate) use fail_on_panic::FailOnPanic;
pub use handle::{Handle, WaitForClosed, WaitForSettled};
pub use inspect::{HeldKey, Snapshot};
pub(crate) use items::ItemCount;
pub(crate) use memberships::{Exit, Leaving, Membership, Place};
pub(crate) use task_list::TaskId;
pub(crate) use undos::Undos;
pub use waits_for::WaitsFor;
pub(crate) use waits_for::{Label, Name};
pub(crate) use waker_slot::WakerSlot;
pub(crate) use wakers::WaitFor;
pub(crate) use word::Standing;

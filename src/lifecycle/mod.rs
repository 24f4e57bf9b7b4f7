//! The life of one connection, from its word to its handle.

pub(crate) mod word;
pub(crate) mod settled;
pub(crate) mod observer;
pub(crate) mod event_queue;
pub(crate) mod group;
mod undos;
mod memberships;
mod running_undo;
mod cell;
mod tasks;
mod timed;
mod report;
mod unwind;
mod async_undo;
mod handle;
#[cfg(feature = "tokio-util")]
mod token;
mod waker_slot;
mod fail_on_panic;
mod close_when;

pub(crate) use async_undo::{Name, async_undo};
pub(crate) use cell::{Lifecycle, WaitFor};
pub use close_when::CloseWhen;
pub(crate) use fail_on_panic::FailOnPanic;
pub use handle::{Handle, WaitForClosed, WaitForSettled};
pub(crate) use memberships::{DynRegistry, Membership, Place};
pub(crate) use undos::Then;
pub(crate) use waker_slot::WakerSlot;

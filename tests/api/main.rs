//! Behaviour through the public API, one module per piece.

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "http-body")]
mod body;
mod bomb;
mod child;
mod close_all;
mod close_all_between;
mod close_when;
#[cfg(feature = "tokio")]
mod closing;
mod deadlines;
mod time;
mod debug;
#[cfg(feature = "tokio")]
mod drain_after;
#[cfg(feature = "tokio")]
mod drain_turn;
#[cfg(all(feature = "http-body", feature = "tokio"))]
mod event_body;
#[cfg(feature = "tokio")]
mod finish;
mod hand_over;
mod handle;
mod hold_open;
mod hooks;
mod inspect;
#[cfg(feature = "tokio")]
mod interval;
mod last_close;
mod last_slots;
mod nesting;
mod observer;
#[cfg(feature = "tokio")]
mod on_tokio;
mod registry;
mod run;
#[cfg(feature = "tokio")]
mod running_undos;
mod scope;
mod stats;
mod track;
mod step;
mod stream;
mod take_over;
mod typed_states;
mod topic;
mod topic_contract;
mod topic_gaps;
mod topic_model;
mod topic_wakes;
mod topics;
mod undo;
mod async_undo;

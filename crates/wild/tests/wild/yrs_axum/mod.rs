//! The two ways in which yrs-axum holds connections.

mod group;
mod signaling;

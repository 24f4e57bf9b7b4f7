//! The race kit: what it tries, what it says, and what it must not say.

mod axum;
mod cases;
mod designs;
mod endings;
mod hostile;
mod ledger;
mod named;
mod on_drop;
mod on_hangup;
mod races;
mod tokio;

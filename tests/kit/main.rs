//! The race kit: what it tries, what it says, and what it must not say.

mod axum;
mod cases;
mod endings;
mod ledger;
mod races;
mod tokio;

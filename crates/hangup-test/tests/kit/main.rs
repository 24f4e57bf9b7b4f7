//! The race kit: what it tries, what it reports, and what it must not report.

mod on_drop;
mod adversarial;
mod axum;
mod cases;
mod endings;
mod ledger;
mod named;
mod no_false_alarms;
#[path = "../support/on_trial.rs"]
mod on_trial;
mod on_hangup;
mod races;
mod runtime;
mod speed;
mod statements;
mod survivors;
mod tokio;

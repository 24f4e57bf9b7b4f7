//! Everything that needs a runtime, on two of them: tokio, and threads alone.

mod adapters;
mod cases;
mod choice;
mod ended;
mod timers;
mod without;

//! Schedules: what they are made of, what they find, and that `hangup` passes them.

mod careful;
mod drawn;
mod faulty;
mod named;
mod on_hangup;
mod runner;

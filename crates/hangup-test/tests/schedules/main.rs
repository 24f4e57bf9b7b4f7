//! Schedules: what they are made of, what they find, and that `hangup` passes them.

mod correct_managers;
mod drawn;
mod racy_managers;
mod named;
mod runner;

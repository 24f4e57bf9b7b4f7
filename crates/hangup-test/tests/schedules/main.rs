//! Schedules: how they are drawn, and what they find.

mod correct_managers;
mod drawn;
mod racy_managers;
mod named;
mod runner;

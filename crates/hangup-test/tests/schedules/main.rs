//! Schedules: how they are drawn, and what they find.

mod runner;
mod correct_managers;
mod drawn;
mod racy_managers;
mod named;

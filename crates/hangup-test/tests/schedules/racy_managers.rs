//! Managers as servers write them by hand, each with one race, which the schedules find.

mod after_close;
mod asynchronous;
mod cancel;
mod cap;
mod close_all;
mod counter;
mod leak;
mod stale;
mod take_over;
mod two_indexes;

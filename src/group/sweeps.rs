//! How far the sweeps of a group have come.

use std::time::Instant;

/// One at a time.
#[derive(Default)]
pub(crate) struct Sweeps {
    pub(crate) first: Option<Instant>,
    pub(crate) latest: u64,
    pub(crate) under_way: bool,
}

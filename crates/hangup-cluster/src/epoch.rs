//! The number that fences an owner.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of an owner of a key: each owner of a key has a higher one than all before it.
///
/// Send it with every write that the claim is to protect, also with those of the undo. A resource
/// that refuses a lower epoch than the highest one it has seen lets nothing of an earlier owner
/// through once it has heard of the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

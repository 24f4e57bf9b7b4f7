//! Hashers with which every run takes the same steps.

use std::hash::{BuildHasherDefault, DefaultHasher};

use foldhash::quality::FixedState;

/// The default hasher of a registry, but not randomly keyed.
pub(crate) type Hasher = BuildHasherDefault<DefaultHasher>;

/// What a user gives a registry of ids that the server makes itself, not randomly keyed either.
pub(crate) type FastHasher = FixedState;

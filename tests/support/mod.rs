//! What the tests of several binaries share.

pub(crate) mod log;
pub(crate) mod spawn_with;
pub(crate) mod tasks;
pub(crate) mod timed;

use hangup::{Live, Pending, Registering, Scope};

pub(crate) fn pending() -> Pending {
    Scope::new().open().unwrap()
}

pub(crate) fn registering() -> Registering {
    pending().register().unwrap()
}

pub(crate) fn live() -> Live {
    registering().go_live().unwrap()
}

//! The resource that the keys of a cluster guard, as an HTTP server: the judge of all that breaks.
//!
//! A server under test sends each step of an owner to it, with the epoch of its claim:
//!
//! | request | when | answer |
//! |---|---|---|
//! | `POST /enter?key=K&epoch=E&owner=O&predecessor=settled\|unsettled` | the set-up | 200, or 409 |
//! | `POST /write?key=K&epoch=E` | each act | 200, or 409 |
//! | `POST /leave?key=K&epoch=E[&take_ms=N]` | the undo, which takes N milliseconds | 200, or 409 |
//! | `GET /counts` | at any time | [`Counts`], and who is inside |
//!
//! 409 says that a higher epoch was seen under the key, or that this owner has left.

mod judge;
mod query;
mod serve;
#[cfg(test)]
mod tests;

pub use judge::{Counts, Entry, Judge, Overlap, Told, Verdict};
pub use serve::Resource;

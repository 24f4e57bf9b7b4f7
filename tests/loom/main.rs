//! Every interleaving of the small races, by name and by invariant.
//!
//! ```text
//! ci/loom                                         all of them, in two minutes
//! ci/loom r24                                     those whose names match
//! LOOM_MAX_PREEMPTIONS= ci/loom scope::           those of a module, without a bound
//! ```
//!
//! `LOOM_MAX_PREEMPTIONS` bounds how often a thread is preempted; it is 3 unless it is
//! given. Without a bound, the models of two threads are exhaustive: most in a second, two
//! of take-overs, some of the pairs and those in which a topic is read to its end in no time
//! that anybody would wait. Those of three (their names say `_3`) bound themselves. Each model
//! prints how many executions it took.
//!
//! How they are written: what the test itself notes down is kept in std atomics,
//! which loom does not reorder, so they tell what happened when. Where a model
//! asserts that one thread *sees* what another did, that is a loom atomic, stored
//! and loaded `Relaxed`: only the crate's own orderings can make it visible. A lost
//! wake-up is a deadlock of `block_on`, which loom reports.

#[cfg(hangup_loom)]
mod close;
#[cfg(hangup_loom)]
mod close_all;
#[cfg(hangup_loom)]
mod farewell;
#[cfg(hangup_loom)]
mod hooks;
#[cfg(hangup_loom)]
mod last_close;
#[cfg(hangup_loom)]
mod model;
#[cfg(hangup_loom)]
mod observer;
#[cfg(hangup_loom)]
mod overlap;
#[cfg(hangup_loom)]
mod pairs;
#[cfg(hangup_loom)]
mod reader;
#[cfg(hangup_loom)]
mod registry;
#[cfg(hangup_loom)]
mod scope;
#[cfg(hangup_loom)]
mod track;
#[cfg(hangup_loom)]
#[path = "../support/spawn_with.rs"]
mod spawn_with;
#[cfg(hangup_loom)]
mod step;
#[cfg(hangup_loom)]
mod stream;
#[cfg(hangup_loom)]
mod sweep;
#[cfg(hangup_loom)]
mod take_over;
#[cfg(hangup_loom)]
mod topic;
#[cfg(hangup_loom)]
mod undo_slots;
#[cfg(hangup_loom)]
mod undoing;
#[cfg(hangup_loom)]
mod wait;

//! The suite that every engine has to pass.
//!
//! The author of an engine implements [`Subject`]: how a node connects, how the engine is
//! restarted, how exact its times are. [`run`] runs all checks and returns a [`Report`];
//! [`conformance_checks`](crate::conformance_checks) makes a test of each check.
//!
//! What a subject does not offer is skipped, and the report says so.
//!
//! # Examples
//!
//! [`Memory`](crate::memory::Memory) passes:
//!
//! ```
//! use std::time::Duration;
//!
//! use hangup_cluster::conformance::{self, Doing, Node, Subject, Timing};
//! use hangup_cluster::memory::Memory;
//!
//! struct InMemory(Memory);
//!
//! impl Subject for InMemory {
//!     fn node(&self) -> Doing<'_, Node> {
//!         let link = self.0.link();
//!         Box::pin(async { Ok(Node::of(link)) })
//!     }
//!
//!     fn timing(&self) -> Timing {
//!         Timing::new(Duration::from_millis(20)).late(Duration::from_millis(500))
//!     }
//!
//!     fn restart(&self) -> Option<Doing<'_, ()>> {
//!         self.0.restart();
//!         Some(Box::pin(async { Ok(()) }))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let report = conformance::run(&InMemory(Memory::on_current()?)).await;
//! assert!(report.is_passed(), "{report}");
//! # Ok(())
//! # }
//! ```

mod outcome;
mod subject;
mod waiting;
mod bench;
mod claims;
mod contents;
mod ttl;
mod hints;
mod log;
mod gaps;
mod away;
mod restart;
mod forget;
mod checks;
#[cfg(test)]
mod tests;

pub use checks::{Check, checks};
pub use outcome::{Outcome, Report};
pub use subject::{Doing, Node, Subject, Timing};

/// Runs all checks, one after the other.
///
/// # Cancel safety
///
/// When it is dropped, the check that runs ends, and what it has written stays.
pub async fn run(subject: &dyn Subject) -> Report {
    let mut outcomes = Vec::new();
    for check in checks() {
        outcomes.push((check.name(), check.run(subject).await));
    }
    Report { outcomes }
}

/// Runs the check with this name, for a test that is named after it.
///
/// # Panics
///
/// If the check fails, or there is none with this name. What is skipped is printed.
///
/// # Cancel safety
///
/// When it is dropped, the check ends, and what it has written stays.
pub async fn passes(name: &str, subject: &dyn Subject) {
    let check = checks().iter().find(|check| check.name() == name);
    let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
    let outcome = check.run(subject).await;
    assert!(!outcome.is_failed(), "{name}: {outcome}");
    println!("{name}: {outcome}");
}

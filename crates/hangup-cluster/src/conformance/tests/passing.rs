//! The engine in memory passes.

use std::sync::Mutex;
use std::time::Duration;

use crate::conformance::{Doing, Node, Outcome, Subject, Timing, checks, passes, run};
use crate::memory::{Link, Memory};

/// Every limit and every fault is offered, and no time is inexact.
pub(super) struct InMemory {
    pub(super) memory: Memory,
    pub(super) is_by_steps: bool,
    links: Mutex<Vec<Link>>,
}

impl InMemory {
    pub(super) fn new(is_by_steps: bool) -> Self {
        let memory = Memory::builder()
            .kept_items(100)
            .max_size(1 << 12)
            .numbers_above(0)
            .build(tokio::runtime::Handle::current());
        Self {
            memory,
            is_by_steps,
            links: Mutex::default(),
        }
    }

    pub(super) fn link(&self) -> Link {
        let link = self.memory.link();
        link.step_by_step(self.is_by_steps);
        self.links.lock().unwrap().push(link.clone());
        link
    }
}

impl Subject for InMemory {
    fn node(&self) -> Doing<'_, Node> {
        let link = self.link();
        Box::pin(async { Ok(Node::of(link)) })
    }

    fn timing(&self) -> Timing {
        Timing::new(Duration::from_secs(1)).late(Duration::ZERO)
    }

    fn restart(&self) -> Option<Doing<'_, ()>> {
        Some(Box::pin(async {
            self.memory.restart();
            Ok(())
        }))
    }

    fn pause(&self) -> Option<Doing<'_, ()>> {
        Some(Box::pin(async {
            self.links.lock().unwrap().iter().for_each(Link::cut);
            Ok(())
        }))
    }

    fn resume(&self) -> Doing<'_, ()> {
        Box::pin(async {
            self.links.lock().unwrap().iter().for_each(Link::heal);
            Ok(())
        })
    }

    fn forget(&self) -> Option<Doing<'_, ()>> {
        Some(Box::pin(async {
            self.memory.forget();
            Ok(())
        }))
    }

    fn max_size(&self) -> Option<usize> {
        Some(1 << 12)
    }

    fn kept_items(&self) -> Option<usize> {
        Some(100)
    }

    fn remembers_ids(&self) -> bool {
        true
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        mod at_once {
            use super::*;
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    passes(stringify!($name), &InMemory::new(false)).await;
                }
            )*
        }
        mod step_by_step {
            use super::*;
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    passes(stringify!($name), &InMemory::new(true)).await;
                }
            )*
        }
    };
}

crate::conformance_checks!(tests);

#[tokio::test(start_paused = true)]
async fn one_engine_serves_all_checks_and_nothing_is_skipped() {
    let subject = InMemory::new(true);
    for _ in 0..2 {
        let report = run(&subject).await;
        let all_passed = report
            .outcomes
            .iter()
            .all(|(_, outcome)| *outcome == Outcome::Passed);
        assert!(all_passed, "{report}");
        assert_eq!(report.outcomes.len(), checks().len());
    }
}

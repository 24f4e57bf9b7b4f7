//! One roll for all pages, and no more work than a small part of a core does.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hangup::Scope;
use tokio::sync::Mutex;

use crate::report::report;
use crate::roll::Roll;
use crate::view::View;

/// How old the roll is at least when it is called anew.
const FRESH: Duration = Duration::from_millis(500);
/// The work for all pages takes one part in so many of the time.
const SHARE: u32 = 33;
/// How many views of a roll are kept.
const MOST_VIEWS: usize = 16;

/// What all pages of a console share.
pub(crate) struct Watch {
    scope: Scope,
    stuck_after: Duration,
    // Held over awaits: one page calls the roll, and the others wait for it.
    latest: Mutex<Latest>,
}

#[derive(Default)]
struct Latest {
    /// The pages keep it: without one, no connection is kept.
    roll: Weak<Roll>,
    number: u64,
    /// When the roll is called next.
    due: Option<Instant>,
    called: Option<Instant>,
    /// The work since then.
    work: Duration,
    views: Vec<(View, Bytes)>,
}

/// A view of a roll.
pub(crate) struct Seen {
    pub(crate) report: Bytes,
    /// The number of the roll.
    pub(crate) number: u64,
    pub(crate) roll: Arc<Roll>,
}

impl Watch {
    pub(crate) fn new(scope: Scope, stuck_after: Duration) -> Self {
        Self {
            scope,
            stuck_after,
            latest: Mutex::default(),
        }
    }

    /// What `view` shows, if it is newer than the roll of the number `seen`.
    ///
    /// # Cancel safety
    ///
    /// A drop leaves the latest roll as it was.
    pub(crate) async fn look(&self, view: &View, seen: u64) -> Option<Seen> {
        let mut latest = self.latest.lock().await;
        let begun = Instant::now();
        let known = latest.roll.upgrade();
        let is_due = latest.due.is_none_or(|due| due <= begun);
        let suits = |roll: &Arc<Roll>| roll.details.is_some() || !view.needs_details();
        let roll = match known {
            Some(roll) if !is_due && suits(&roll) => roll,
            known => {
                let roll = Roll::call(&self.scope, known.as_deref(), view.needs_details()).await;
                let roll = Arc::new(roll);
                latest.roll = Arc::downgrade(&roll);
                latest.number += 1;
                latest.called = Some(begun);
                latest.work = Duration::ZERO;
                latest.views.clear();
                roll
            }
        };
        let number = latest.number;
        if number == seen {
            return None;
        }
        let cached = latest.views.iter().find(|(of, _)| of == view);
        let report = match cached {
            Some((_, report)) => report.clone(),
            None => {
                let report = report(&self.scope, &roll, view, self.stuck_after);
                latest.views.truncate(MOST_VIEWS - 1);
                latest.views.push((view.clone(), report.clone()));
                report
            }
        };
        latest.work += begun.elapsed();
        let pause = FRESH.max(latest.work.saturating_mul(SHARE));
        latest.due = latest.called.map(|called| called + pause);
        Some(Seen {
            report,
            number,
            roll,
        })
    }
}

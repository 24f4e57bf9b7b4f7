//! The search for causes of failures that lie in the exploration.

use std::rc::Rc;
use std::time::Duration;

use crate::fault::Fault;
use crate::hint::Hint;
use crate::kind::Kind;
use crate::plan::Plan;
use crate::report::Report;
use crate::run::{Run, Undisturbed};

/// No grace period is longer.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Timers that fire this often in a day belong to a task that does not end by itself. The
/// waits of the run itself are a few of them.
const OFTEN: usize = 24;

/// Returns the least patience that passes, in whole seconds. `too_short` does not, and a day
/// does.
fn least(too_short: Duration, passes: impl Fn(Duration) -> bool) -> Duration {
    let (mut too_short, mut enough) = (too_short.as_secs(), A_DAY.as_secs());
    while enough - too_short > 1 {
        let middle = too_short + (enough - too_short) / 2;
        if passes(Duration::from_secs(middle)) {
            enough = middle;
        } else {
            too_short = middle;
        }
    }
    Duration::from_secs(enough)
}

/// Looks for the cause of the first failure, on a runtime with a paused clock.
pub(crate) fn find<E: Clone + 'static>(
    plan: &Rc<Plan<E>>,
    usual: &Undisturbed,
    report: &Report,
) -> Option<Hint> {
    let patience = plan.patience?;
    let first = report
        .failures()
        .iter()
        .find_map(|failure| failure.case())?;
    let passes = |case, patience| {
        let patient = Plan::clone(plan).with_patience(patience);
        let tried = Run::case(&Rc::new(patient), usual, case);
        tried.is_ok_and(|tried| tried.failures.is_empty())
    };
    if patience < A_DAY && passes(first, A_DAY) {
        let mut enough = patience;
        let mut count = 0;
        for case in report.failing_cases() {
            if !passes(case, enough) {
                if !passes(case, A_DAY) {
                    continue;
                }
                enough = least(enough, |patience| passes(case, patience));
            }
            count += 1;
        }
        let passes = count;
        return Some(Hint::Patience {
            patience,
            enough,
            passes,
        });
    }
    let is_left = |fault: &Fault| {
        matches!(
            fault,
            Fault::Left {
                kind: Kind::Task,
                ..
            }
        )
    };
    let left = report.failures().iter().find(|it| is_left(it.fault()));
    let case = left.and_then(|failure| failure.case())?;
    let fires = Run::fires_in(plan, usual, case, A_DAY)?;
    (fires > OFTEN).then_some(Hint::Clock { fires })
}

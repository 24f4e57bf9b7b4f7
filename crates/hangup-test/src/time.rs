//! How time passes in a run, and which tasks it counts.

use std::time::Duration;

#[cfg(feature = "tokio")]
use crate::on_tokio::PausedRuntime;
use crate::trial::Trial;
use crate::waker::{Passed, RunWaker};

/// What has tasks and timers of its own.
pub(crate) enum Time {
    /// Nothing has: there are the trial's alone.
    OfTheTrial,
    #[cfg(feature = "tokio")]
    Tokio(PausedRuntime),
}

impl Time {
    /// Calls `f` where it finds the runtime.
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::OfTheTrial => f(),
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.enter(f),
        }
    }

    #[cfg_attr(
        not(feature = "tokio"),
        expect(unused_variables, reason = "for a runtime to listen to")
    )]
    pub(crate) fn pass(&self, trial: &Trial, waker: &RunWaker) -> Passed {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => {
                let passed = runtime.pass(waker);
                if passed.woken {
                    return passed;
                }
            }
        }
        let woken = trial.pass_time();
        Passed { woken, time: woken }
    }

    /// Runs what can run at once.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(unused_variables, reason = "for a runtime to listen to")
    )]
    pub(crate) fn settle(&self, waker: &RunWaker) {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.settle(waker),
        }
    }

    /// How much has passed of it, if it has a measure.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        match self {
            Self::OfTheTrial => None,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => Some(runtime.elapsed()),
        }
    }

    /// How many tasks there are that are not the trial's.
    pub(crate) fn tasks(&self) -> usize {
        match self {
            Self::OfTheTrial => 0,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.tasks(),
        }
    }
}

//! How time passes in a run, and which tasks it counts.

#[cfg(feature = "tokio")]
use std::rc::Rc;
use std::time::Duration;

use hangup::runtime::Entered;

#[cfg(feature = "tokio")]
use crate::on_tokio::PausedRuntime;
use crate::trial::Trial;
use crate::waker::{Passed, RunWaker};

/// The source of time of a run.
#[derive(Clone)]
pub(crate) enum Time {
    /// The clock and the tasks of the trial.
    OfTheTrial,
    #[cfg(feature = "tokio")]
    Tokio(Rc<PausedRuntime>),
}

impl Time {
    /// Calls `f` inside the runtime context.
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::OfTheTrial => f(),
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.enter(f),
        }
    }

    /// Makes the tasks of `hangup` tasks of the trial, until the value is dropped.
    pub(crate) fn enter_hangup(&self) -> Option<Entered> {
        match self {
            Self::OfTheTrial => None,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => Some(runtime.enter_hangup()),
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

    /// Runs the tasks that are woken.
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

    /// Gives the tasks outside the trial some turns.
    pub(crate) fn go_first(&self) {
        match self {
            Self::OfTheTrial => {}
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.go_first(),
        }
    }

    /// Returns how much time has passed, if the source measures it.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        match self {
            Self::OfTheTrial => None,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => Some(runtime.elapsed()),
        }
    }

    /// Returns the messages of the panics of tasks outside the trial, since the last call.
    pub(crate) fn take_panics(&self) -> Vec<String> {
        match self {
            Self::OfTheTrial => Vec::new(),
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.take_panics(),
        }
    }

    /// Returns how often timers have fired, if there is a runtime.
    pub(crate) fn fired(&self) -> Option<usize> {
        match self {
            Self::OfTheTrial => None,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => Some(runtime.fired()),
        }
    }

    /// Returns how many tasks exist outside the trial.
    pub(crate) fn tasks(&self) -> usize {
        match self {
            Self::OfTheTrial => 0,
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => runtime.tasks(),
        }
    }
}

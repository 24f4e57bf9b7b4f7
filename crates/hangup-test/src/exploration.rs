//! The cases of an exploration, one after the other.

use std::rc::Rc;

use crate::causes;
use crate::ending::{Case, Ending, Order};
use crate::plan::Plan;
use crate::report::{ExploreError, NotRepeated, Report};
use crate::run::{Differs, Run, RunError, Tried, Undisturbed};

/// How often a case is tried until its run comes to its point in the same way.
const TRIES: usize = 3;

pub(crate) struct Exploration<E> {
    plan: Rc<Plan<E>>,
    usual: Undisturbed,
    report: Report,
}

impl<E: Clone + 'static> Exploration<E> {
    /// Runs without interference.
    pub(crate) fn begin(plan: Plan<E>) -> Result<Self, ExploreError> {
        let plan = Rc::new(plan);
        let undisturbed = Run::undisturbed(&plan);
        let usual = undisturbed.map_err(|_| ExploreError::Endless { case: None })?;
        if usual.points.len() < 2 && usual.failures.is_empty() {
            return Err(ExploreError::NeverSuspends);
        }
        let mut report = Report::new(&usual.points, Vec::new());
        if usual.points.len() >= 2 {
            report = Report::new(&usual.points, endings(&plan, &usual));
        }
        Ok(Self {
            plan,
            usual,
            report,
        })
    }

    /// Returns the case of this name.
    pub(crate) fn find(&self, text: &str) -> Option<Case> {
        let case = text.parse::<Case>().ok()?;
        let is_offered = case.point < self.usual.points.len() && self.offers(&case);
        is_offered.then_some(case)
    }

    /// Runs one case.
    pub(crate) fn alone(mut self, case: &Case) -> Result<Report, ExploreError> {
        self.attempt(case)?;
        Ok(self.concluded())
    }

    /// Runs all cases.
    pub(crate) fn all(mut self) -> Result<Report, ExploreError> {
        self.report.add(self.usual.failures.clone());
        if self.usual.points.len() < 2 {
            return Ok(self.report);
        }
        let newcomer = Ending::Newcomer { dropped_at: None };
        let all = endings(&self.plan, &self.usual);
        // How the server fails to end an idle connection whose client reads.
        let mut stays = Vec::new();
        for point in 0..self.usual.points.len() {
            let mut panics = false;
            stays.clear();
            for ending in &all {
                // A second panic during the injected one would abort the process.
                let aborts = panics && *ending == Ending::Panic;
                if aborts || *ending == newcomer || control(ending).is_some() {
                    continue;
                }
                let tried = self.in_each_order(point, ending)?;
                panics |= tried.panicked;
                stays.extend(tried.failed.then(|| ending.clone()));
            }
        }
        for ending in &all {
            // One that fails while the client reads shows nothing new.
            if control(ending).is_some_and(|control| !stays.contains(&control)) {
                for point in 0..self.usual.points.len() {
                    self.in_each_order(point, ending)?;
                }
            }
        }
        // Cases with two connections come last, so that the first failure is simple.
        for point in 0..self.usual.points.len() {
            let whole = self.in_each_order(point, &newcomer)?;
            for at in 0..=whole.newcomer_points {
                let dropped_at = Some(at);
                self.in_each_order(point, &Ending::Newcomer { dropped_at })?;
                self.in_each_order(point, &Ending::Visitor(at))?;
            }
            for turns in 1.. {
                let tried = self.in_each_order(point, &Ending::Successor(turns))?;
                if !tried.had_turns {
                    break;
                }
            }
        }
        Ok(self.concluded())
    }

    fn concluded(mut self) -> Report {
        let hint = causes::find(&self.plan, &self.usual, &self.report);
        self.report.add_hint(hint);
        self.report
    }

    fn in_each_order(&mut self, point: usize, ending: &Ending) -> Result<Tried, ExploreError> {
        let mut case = Case {
            point,
            ending: ending.clone(),
            order: Order::OldestFirst,
        };
        if !self.offers(&case) {
            return Ok(Tried::default());
        }
        let tried = self.attempt(&case)?;
        // Otherwise both orders are the same.
        if tried.had_choice {
            case.order = Order::NewestFirst;
            self.attempt(&case)?;
        }
        Ok(tried)
    }

    fn attempt(&mut self, case: &Case) -> Result<Tried, ExploreError> {
        let mut last = None;
        for _ in 0..TRIES {
            match Run::case(&self.plan, &self.usual, case) {
                Ok(mut tried) => {
                    self.report.add(std::mem::take(&mut tried.failures));
                    return Ok(tried);
                }
                Err(RunError::Endless) => {
                    let case = Some(case.to_string());
                    return Err(ExploreError::Endless { case });
                }
                Err(RunError::Differs(differs)) => last = Some(differs),
            }
        }
        if let Some(Differs {
            point,
            expected,
            seen,
        }) = last
        {
            let case = case.to_string();
            let not_repeated = NotRepeated::new(case, point, expected, seen);
            self.report.add_not_repeated(not_repeated);
        }
        Ok(Tried::default())
    }

    /// Returns `true` if this case exists.
    fn offers(&self, case: &Case) -> bool {
        let (plan, usual) = (&self.plan, &self.usual);
        let at_statement = usual.statements.contains(&case.point);
        match &case.ending {
            Ending::Newcomer { .. } | Ending::Visitor(_) => true,
            Ending::Successor(turns) if at_statement => {
                *turns == 1 && (plan.close.is_some() || usual.takes_signal)
            }
            Ending::Successor(_) => true,
            Ending::Dropped | Ending::Panic if at_statement => false,
            Ending::Stalled | Ending::StalledAtShutdown
                if at_statement || !usual.reading.contains(&case.point) =>
            {
                false
            }
            ending => endings(plan, usual).contains(ending),
        }
    }
}

/// Returns the ending that does the same while the client reads, if the client has stopped in
/// this one.
fn control(ending: &Ending) -> Option<Ending> {
    match ending {
        Ending::Stalled => Some(Ending::Closed),
        Ending::StalledAtShutdown => Some(Ending::Shutdown),
        _ => None,
    }
}

/// Returns the endings that are tried at points of a handler.
fn endings<E>(plan: &Plan<E>, usual: &Undisturbed) -> Vec<Ending> {
    let mut endings = Vec::new();
    endings.extend(usual.takes_signal.then_some(Ending::Signal));
    endings.extend(plan.close.is_some().then_some(Ending::Closed));
    endings.extend([Ending::Dropped, Ending::Panic]);
    endings.extend(plan.shutdown.is_some().then_some(Ending::Shutdown));
    let reads = !usual.reading.is_empty();
    endings.extend((reads && plan.close.is_some()).then_some(Ending::Stalled));
    endings.extend((reads && plan.shutdown.is_some()).then_some(Ending::StalledAtShutdown));
    endings.push(Ending::Newcomer { dropped_at: None });
    let events = plan.events.iter();
    endings.extend(events.map(|(name, _)| Ending::Event(name.clone())));
    endings
}

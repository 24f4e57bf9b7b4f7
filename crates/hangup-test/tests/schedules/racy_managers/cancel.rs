//! A step is abandoned at a timeout, and its undo is registered after its `await`.

use std::collections::HashMap;

use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

/// Steps that time out.
#[derive(Default)]
struct TimesOut {
    /// Whether the undo is registered before the `await`.
    registers_first: bool,
    steps: HashMap<usize, usize>,
    undos: HashMap<usize, Vec<usize>>,
    undos_run: HashMap<usize, Vec<usize>>,
}

impl TimesOut {
    fn register(&mut self, who: usize) {
        let step = self.steps[&who];
        self.undos.entry(who).or_default().push(step);
    }
}

impl Manager for TimesOut {
    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open(..) | Op::Cancel(_) => {}
            Op::BeginStep(who) => {
                let steps = self.steps.get(&who).map_or(0, |step| step + 1);
                self.steps.insert(who, steps);
                if self.registers_first {
                    self.register(who);
                }
                return Outcome::Waits;
            }
            Op::CompleteStep(who) => {
                if !self.registers_first {
                    self.register(who);
                }
            }
            Op::Drop(who) => {
                let mut undos = self.undos.remove(&who).unwrap_or_default();
                undos.reverse();
                self.undos_run.insert(who, undos);
            }
            op => unreachable!("{op}"),
        }
        Outcome::Done
    }

    fn visible(&self, _: Place) -> Vec<usize> {
        Vec::new()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        Some(self.undos_run.get(&connection).cloned().unwrap_or_default())
    }
}

fn shape() -> Shape {
    let kinds = [Kind::BeginStep, Kind::CompleteStep, Kind::Cancel];
    Shape::new().registries([]).only(kinds)
}

#[test]
fn r13_a_step_is_abandoned_before_its_undo_is_registered() {
    finds(&shape(), Race::R13, 4, TimesOut::default);
}

#[test]
fn nothing_is_found_if_the_undo_is_registered_before_the_step() {
    passes(&shape(), 100, || TimesOut {
        registers_first: true,
        ..TimesOut::default()
    });
}

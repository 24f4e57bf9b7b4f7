//! Handlers whose steps are futures, which the server polls and drops.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures::FutureExt;
use hangup_test::Race;
use hangup_test::schedule::{Kind, Manager, Op, Outcome, Place, Shape};

use crate::runner::{finds, passes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The guard is created before the `await`, and the closer leaves all guards to the
    /// handler.
    Correct,
    /// The guard is created after the `await`.
    GuardsLate,
    /// The closer undoes every entry, even during a step.
    UndoesAtOnce,
    /// The handler begins a step without a check.
    NeverLooks,
}

#[derive(Default)]
struct Handler {
    closed: bool,
    step: Option<Pin<Box<dyn Future<Output = Guard>>>>,
    guards: Vec<Guard>,
    steps: usize,
    complete: Rc<Cell<bool>>,
    undos_run: Rc<RefCell<Vec<usize>>>,
}

/// Undoes its step when it is dropped.
struct Guard(Rc<RefCell<Vec<usize>>>, usize);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

impl Handler {
    fn begin(&mut self, style: Style) {
        let guard = {
            let (undone, number) = (Rc::clone(&self.undos_run), self.steps);
            move || Guard(undone, number)
        };
        self.steps += 1;
        self.complete.set(false);
        let complete = Rc::clone(&self.complete);
        let wait = poll_fn(move |_| match complete.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        self.step = Some(match style {
            Style::GuardsLate => Box::pin(wait.map(|()| guard())),
            _ => Box::pin(async move {
                let guard = guard();
                wait.await;
                guard
            }),
        });
    }

    fn poll(&mut self) -> Outcome {
        let step = self.step.as_mut().expect("it is in a step");
        match step.now_or_never() {
            None if !self.closed => return Outcome::Waits,
            Some(guard) => self.guards.push(guard),
            None => {}
        }
        self.step = None;
        self.look()
    }

    fn look(&mut self) -> Outcome {
        if !self.closed {
            return Outcome::Done;
        }
        self.undo();
        Outcome::Closed
    }

    fn close(&mut self) -> Outcome {
        match std::mem::replace(&mut self.closed, true) {
            false => Outcome::Done,
            true => Outcome::Closed,
        }
    }

    fn undo(&mut self) {
        while self.guards.pop().is_some() {}
    }
}

struct Server {
    style: Style,
    handlers: HashMap<usize, Handler>,
}

impl Server {
    fn new(style: Style) -> Self {
        let handlers = HashMap::new();
        Self { style, handlers }
    }
}

impl Manager for Server {
    fn apply(&mut self, op: Op) -> Outcome {
        let handler = self.handlers.entry(op.connection().unwrap()).or_default();
        match op {
            Op::Open(..) => Outcome::Done,
            Op::BeginStep(_) if handler.closed && self.style != Style::NeverLooks => {
                Outcome::Closed
            }
            Op::BeginStep(_) => {
                handler.begin(self.style);
                handler.poll()
            }
            Op::CompleteStep(_) => {
                handler.complete.set(true);
                handler.poll()
            }
            Op::Poll(_) => handler.poll(),
            Op::GoLive(_) => handler.look(),
            Op::Close(..) => {
                let outcome = handler.close();
                if handler.step.is_none() || self.style == Style::UndoesAtOnce {
                    handler.undo();
                }
                outcome
            }
            Op::Drop(_) => {
                handler.close();
                handler.step = None;
                handler.undo();
                Outcome::Done
            }
            op => unreachable!("{op}"),
        }
    }

    fn visible(&self, _: Place) -> Vec<usize> {
        Vec::new()
    }

    fn undone(&self, connection: usize) -> Option<Vec<usize>> {
        Some(self.handlers[&connection].undos_run.borrow().clone())
    }
}

fn shape() -> Shape {
    let steps = [Kind::BeginStep, Kind::CompleteStep, Kind::Poll];
    let others = [Kind::GoLive, Kind::Close];
    let shape = Shape::new().connections(2).registries([]);
    shape.only(steps.into_iter().chain(others))
}

#[test]
fn a_guard_before_the_await_is_enough() {
    passes(&shape(), 500, || Server::new(Style::Correct));
}

#[test]
fn r13_dropped_before_the_guard_is_there() {
    let shape = shape().without([Kind::Close]);
    finds(&shape, Race::R13, 3, || Server::new(Style::GuardsLate));
}

#[test]
fn r24_undone_while_a_later_step_is_in_flight() {
    finds(&shape(), Race::R24, 5, || Server::new(Style::UndoesAtOnce));
}

#[test]
fn r6_a_step_begins_after_the_close() {
    finds(&shape(), Race::R6, 3, || Server::new(Style::NeverLooks));
}

//! The points between two statements of user code.

use std::any::Any;
use std::cell::RefCell;

/// Tells trials apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrialId(pub(crate) u64);

/// A run that is told of the statements that user code reaches.
pub(crate) trait Interrupt: Any {
    /// Interrupts user code of the trial `of` at this place, if it is due.
    fn at_statement(&mut self, of: TrialId, label: String);

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

thread_local! {
    /// The run whose user code this thread is in.
    static LENT: RefCell<Option<Box<dyn Interrupt>>> = const { RefCell::new(None) };
}

/// Runs user code, which reaches `run` by [`reached`]. `user_code` does not unwind.
pub(crate) fn lend<R: Interrupt, T>(run: Box<R>, user_code: impl FnOnce() -> T) -> (Box<R>, T) {
    let outer = LENT.replace(Some(run));
    let value = user_code();
    let run = LENT.replace(outer).expect("it is put back");
    let run = run.into_any().downcast();
    (run.expect("runs nest"), value)
}

/// Tells the run of this thread that its user code is at a statement.
pub(crate) fn reached(of: TrialId, label: String) {
    if let Some(mut run) = LENT.take() {
        run.at_statement(of, label);
        LENT.set(Some(run));
    }
}

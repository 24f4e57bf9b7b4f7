//! Who undoes while an owner acquires (I2).

use crate::lifecycle::Lifecycle;
use crate::state::Closed;

/// Since when the owner has the duty to unwind, in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Since `register`, and until it goes live.
    OfSetUp,
    /// Since the step began, and until it ends.
    OfStep,
}

impl Duty {
    /// The step begins, unless the connection has closed.
    pub(super) fn begin(self, lifecycle: &Lifecycle) -> Result<(), Closed> {
        match self {
            // A close from now on leaves the undo to the owner, which is here.
            Self::OfSetUp => lifecycle.closed().map_or(Ok(()), Err),
            Self::OfStep => lifecycle.own(),
        }
    }

    /// Hands out the output of the step, unless the connection closed during it.
    pub(super) fn complete<T>(self, lifecycle: &Lifecycle, output: T) -> Result<T, Closed> {
        let ended = match self {
            Self::OfSetUp => lifecycle
                .closed()
                .map_or(Ok(()), |closed| Err((closed, None))),
            Self::OfStep => lifecycle
                .disown()
                .map_err(|(closed, unwind)| (closed, Some(unwind))),
        };
        match ended {
            Ok(()) => Ok(output),
            Err((closed, unwind)) => {
                // Newest first: the output is newer than all that is on the stack.
                drop(output);
                drop(unwind);
                Err(closed)
            }
        }
    }

    /// Ends the step without an output, when what is returned is dropped.
    pub(super) fn ending(self, lifecycle: &Lifecycle) -> Ending<'_> {
        Ending(lifecycle, self)
    }
}

pub(super) struct Ending<'a>(&'a Lifecycle, Duty);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        match self.1 {
            // The owner undoes when it is dropped.
            Duty::OfSetUp => {}
            Duty::OfStep => drop(self.0.disown()),
        }
    }
}

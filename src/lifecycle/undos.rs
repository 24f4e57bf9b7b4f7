//! The stack of undos, newest on top.
//!
//! Each undo is an allocation that owns those below it, so a connection without undos
//! stores one empty pointer.

/// Who continues with the older undos when an asynchronous one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The thread that ends it.
    UnwindOlder,
    /// No thread: the connection had been unwound when the undo was registered.
    Stop,
}

#[derive(Default)]
pub(super) struct Undos(Option<Box<dyn Undo>>);

/// One undo, and those below it.
pub(super) trait Undo: Send {
    fn below(&mut self) -> &mut Undos;

    fn kind(&self) -> Kind;

    /// Runs the undo, or begins it. User code.
    fn run(self: Box<Self>, then: Then);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `run` returns when the undo is over.
    Sync,
    /// `run` begins the undo on a task. `end_undo` is called when it is over, possibly
    /// before `run` returns.
    Async,
}

impl Undos {
    pub(super) fn push(&mut self, mut undo: Box<dyn Undo>) {
        *undo.below() = std::mem::take(self);
        self.0 = Some(undo);
    }

    pub(super) fn pop(&mut self) -> Option<Box<dyn Undo>> {
        let mut top = self.0.take()?;
        *self = std::mem::take(top.below());
        Some(top)
    }
}

pub(super) struct SyncUndo<F> {
    undo: F,
    below: Undos,
}

impl<F: FnOnce() + Send> SyncUndo<F> {
    pub(super) fn new(undo: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self { undo, below })
    }
}

impl<F: FnOnce() + Send> Undo for SyncUndo<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&self) -> Kind {
        Kind::Sync
    }

    fn run(self: Box<Self>, _: Then) {
        (self.undo)();
    }
}

pub(super) struct BeginUndo<F> {
    begin: F,
    below: Undos,
}

impl<F: FnOnce(Then) + Send> BeginUndo<F> {
    pub(super) fn new(begin: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self { begin, below })
    }
}

impl<F: FnOnce(Then) + Send> Undo for BeginUndo<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&self) -> Kind {
        Kind::Async
    }

    fn run(self: Box<Self>, then: Then) {
        (self.begin)(then);
    }
}

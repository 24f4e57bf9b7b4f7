//! What is to be undone, newest on top.
//!
//! Each undo is an allocation that holds those below it, so that a connection without any
//! has room for nothing but the top.

/// Who goes on with the older undos when an asynchronous one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Whoever ends it.
    Unwind,
    /// Nobody: the connection has been unwound.
    Nothing,
}

#[derive(Default)]
pub(super) struct Undos(Option<Box<dyn Undo>>);

/// One undo, and those below it.
pub(super) trait Undo: Send {
    fn below(&mut self) -> &mut Undos;

    fn kind(&self) -> Kind;

    /// Runs it, or begins it. User code.
    fn run(self: Box<Self>, next: Next);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is over when it returns.
    Here,
    /// It begins, wherever it runs. It ends with `end_undo`, or has done so already.
    Elsewhere,
}

impl Undos {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

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

pub(super) struct Here<F> {
    undo: F,
    below: Undos,
}

impl<F: FnOnce() + Send> Here<F> {
    pub(super) fn new(undo: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self { undo, below })
    }
}

impl<F: FnOnce() + Send> Undo for Here<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&self) -> Kind {
        Kind::Here
    }

    fn run(self: Box<Self>, _: Next) {
        (self.undo)();
    }
}

pub(super) struct Elsewhere<F> {
    begin: F,
    below: Undos,
}

impl<F: FnOnce(Next) + Send> Elsewhere<F> {
    pub(super) fn new(begin: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self { begin, below })
    }
}

impl<F: FnOnce(Next) + Send> Undo for Elsewhere<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&self) -> Kind {
        Kind::Elsewhere
    }

    fn run(self: Box<Self>, next: Next) {
        (self.begin)(next);
    }
}

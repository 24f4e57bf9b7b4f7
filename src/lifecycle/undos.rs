//! The stack of undos, newest on top.
//!
//! Each undo is an allocation that owns those below it, so a connection without undos
//! stores one empty pointer.

use super::waits_for::Label;

#[derive(Default)]
pub(crate) struct Undos(Option<Box<dyn Undo>>);

/// One undo, and those below it.
pub(super) trait Undo: Send {
    fn below(&mut self) -> &mut Undos;

    fn kind(&mut self) -> Kind;

    /// The label, if it is asynchronous, and the undos below it.
    fn look(&self) -> (Option<&Label>, &Undos);

    /// Runs the undo, or begins it. User code.
    fn run(self: Box<Self>);
}

pub(super) enum Kind {
    /// `run` returns when the undo is over.
    Sync,
    /// `run` begins the undo on a task. `end_undo` is called when it is over, possibly
    /// before `run` returns. `kind` gives the label away, so it is called once.
    Async(Label),
}

impl Undos {
    /// Puts `undo` on top.
    pub(crate) fn push_sync(&mut self, undo: impl FnOnce() + Send + 'static) {
        self.push(SyncUndo::new(undo));
    }

    /// Puts an undo on top that `begin` begins.
    pub(super) fn push_async(&mut self, label: Label, begin: impl FnOnce() + Send + 'static) {
        self.push(BeginUndo::new(label, begin));
    }

    fn push(&mut self, mut undo: Box<dyn Undo>) {
        *undo.below() = std::mem::take(self);
        self.0 = Some(undo);
    }

    /// Puts all of `newer` on top.
    pub(super) fn append(&mut self, newer: Self) {
        let below = std::mem::replace(self, newer);
        let mut bottom = self;
        while !bottom.is_empty() {
            bottom = bottom.0.as_mut().expect("just seen").below();
        }
        *bottom = below;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The labels of the asynchronous ones among the newest `most`, newest first.
    pub(super) fn labels(&self, most: usize) -> impl Iterator<Item = &Label> {
        let newest = self.0.as_ref().map(|undo| undo.look());
        let all = std::iter::successors(newest, |(_, below)| Some(below.0.as_ref()?.look()));
        all.take(most).filter_map(|(label, _)| label)
    }

    pub(super) fn pop(&mut self) -> Option<Box<dyn Undo>> {
        let mut top = self.0.take()?;
        *self = std::mem::take(top.below());
        Some(top)
    }
}

struct SyncUndo<F> {
    undo: F,
    below: Undos,
}

impl<F: FnOnce() + Send> SyncUndo<F> {
    fn new(undo: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self { undo, below })
    }
}

impl<F: FnOnce() + Send> Undo for SyncUndo<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&mut self) -> Kind {
        Kind::Sync
    }

    fn look(&self) -> (Option<&Label>, &Undos) {
        (None, &self.below)
    }

    fn run(self: Box<Self>) {
        (self.undo)();
    }
}

struct BeginUndo<F> {
    label: Label,
    begin: F,
    below: Undos,
}

impl<F: FnOnce() + Send> BeginUndo<F> {
    fn new(label: Label, begin: F) -> Box<Self> {
        let below = Undos::default();
        Box::new(Self {
            label,
            begin,
            below,
        })
    }
}

impl<F: FnOnce() + Send> Undo for BeginUndo<F> {
    fn below(&mut self) -> &mut Undos {
        &mut self.below
    }

    fn kind(&mut self) -> Kind {
        let place = self.label.place;
        let name = std::mem::take(&mut self.label.name);
        Kind::Async(Label { name, place })
    }

    fn look(&self) -> (Option<&Label>, &Undos) {
        (Some(&self.label), &self.below)
    }

    fn run(self: Box<Self>) {
        (self.begin)();
    }
}

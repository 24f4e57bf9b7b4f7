//! One connection, and what becomes of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use hangup::report::Settled;
use hangup::{Closed, Handle, Registering};

use crate::model::{Fact, settled};

/// Is the value under its keys, and with it whatever is acquired for it: what still holds
/// one in the end was not let go of.
pub(super) struct Witness {
    pub(super) handle: Handle,
    /// Under its keys before the two threads begin.
    pub(super) joined: AtomicBool,
    /// All that comes before it goes live.
    pub(super) set_up: Fact,
    /// All that its undos do.
    pub(super) undo: Fact,
    acquired: AtomicUsize,
    undos_run: AtomicUsize,
    working: AtomicBool,
    /// Where loom can switch to the other thread.
    busy: Fact,
}

impl Witness {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            handle,
            joined: AtomicBool::new(false),
            set_up: Fact::new(),
            undo: Fact::new(),
            acquired: AtomicUsize::new(0),
            undos_run: AtomicUsize::new(0),
            working: AtomicBool::new(false),
            busy: Fact::new(),
        }
    }

    pub(super) fn acquire(self: &Arc<Self>, setup: &mut Registering) {
        let undo = self.undo();
        // It runs in any case.
        _ = setup.on_close(undo);
    }

    /// Something that has to be undone, once.
    pub(super) fn undo(self: &Arc<Self>) -> impl FnOnce() + Send + use<> {
        self.acquired.fetch_add(1, SeqCst);
        let witness = Arc::clone(self);
        move || {
            witness.check_no_work();
            witness.busy.state();
            witness.check_no_work();
            witness.undo.state();
            witness.undos_run.fetch_add(1, SeqCst);
        }
    }

    fn check_no_work(&self) {
        let working = self.working.load(SeqCst);
        assert!(!working, "the undo overlaps what it undoes");
    }

    /// What no undo may overlap, from its first poll until it is dropped. It is complete
    /// when it has been polled so often; never, if that is zero.
    pub(super) fn work(self: &Arc<Self>, polls: usize) -> Work {
        Work {
            witness: Arc::clone(self),
            polls,
            begun: false,
        }
    }

    pub(super) fn undone(&self) -> usize {
        self.undos_run.load(SeqCst)
    }

    pub(super) fn closed(&self) -> Closed {
        settled(&self.handle).closed
    }

    /// I2: who sees that it has settled sees all that was undone.
    pub(super) fn check_settled(&self, settled: &Settled) {
        assert!(settled.undos_run == 0 || self.undo.is_seen());
        assert_eq!(settled.panics, Vec::<String>::new());
    }

    pub(super) fn acquired(&self) -> usize {
        self.acquired.load(SeqCst)
    }

    /// I5: so whoever comes next meets nothing of what it had `acquired`.
    pub(super) fn check_undone(&self, acquired: usize) {
        assert!(self.undone() >= acquired, "two owners");
        assert!(acquired == 0 || self.undo.is_seen());
    }

    /// I2: what was acquired is undone, once, unless it was given up.
    pub(super) fn check(&self) {
        let settled = settled(&self.handle);
        assert_eq!(settled.panics, Vec::<String>::new());
        let undone = self.undone() + settled.abandoned.len();
        assert_eq!((undone, settled.undos_run), (self.acquired(), undone));
    }
}

pub(super) struct Work {
    witness: Arc<Witness>,
    polls: usize,
    begun: bool,
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.begun {
            self.begun = true;
            self.witness.working.store(true, SeqCst);
        }
        self.witness.busy.state();
        assert_eq!(self.witness.undone(), 0, "it runs after its undo");
        match self.polls {
            0 => return Poll::Pending,
            1 => return Poll::Ready(()),
            _ => self.polls -= 1,
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.begun {
            self.witness.busy.state();
            self.witness.working.store(false, SeqCst);
        }
    }
}

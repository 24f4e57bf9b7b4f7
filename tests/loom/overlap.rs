//! A step, and an undo that can tell whether the two overlap.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use hangup::{Handle, Registering};

use crate::model::{Count, settled};

/// A step that waits for ever, and an undo that fails if it overlaps it.
pub(crate) struct Overlap {
    in_flight: Arc<AtomicBool>,
    pub(crate) undos_run: Count,
}

/// A step that is in flight, until it is dropped.
struct InFlight(Arc<AtomicBool>);

impl InFlight {
    fn begin(flag: Arc<AtomicBool>) -> Self {
        flag.store(true, SeqCst);
        Self(flag)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Overlap {
    pub(crate) fn new(setup: &mut Registering) -> (Self, impl Future<Output = ()> + use<>) {
        let overlap = Self {
            in_flight: Arc::default(),
            undos_run: Count::default(),
        };
        let (in_flight, undone) = (Arc::clone(&overlap.in_flight), overlap.undos_run.clone());
        setup
            .on_close(move || {
                undone.add();
                assert!(!in_flight.load(SeqCst), "the undo overlaps the step");
            })
            .unwrap();
        let (in_flight, undone) = (Arc::clone(&overlap.in_flight), overlap.undos_run.clone());
        let step = async move {
            assert_eq!(undone.get(), 0, "the step begins after its undo");
            let _in_flight = InFlight::begin(in_flight);
            pending::<()>().await;
        };
        (overlap, step)
    }

    pub(crate) fn check(&self, handle: &Handle) {
        let settled = settled(handle);
        assert_eq!(self.undos_run.get(), 1);
        assert_eq!(settled.panics, Vec::<String>::new());
        assert!(!self.in_flight.load(SeqCst));
    }
}

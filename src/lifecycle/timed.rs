//! What the sweeps look at, and who notes it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::Lifecycle;
use crate::pulse::{Overdue, Pulse};
use crate::sync::lock;

impl Lifecycle {
    pub(crate) fn touch(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.touch();
        }
    }

    pub(crate) fn pulse(&self) -> Option<&Pulse> {
        self.pulse.as_deref()
    }

    /// If it is looked at whether its reader comes.
    pub(crate) fn watched_reader(&self) -> Option<&Pulse> {
        let pulse = self.pulse()?;
        let deadlines = pulse.deadlines(self.group.deadlines());
        deadlines.stall.is_some().then_some(pulse)
    }

    /// Stores whom a source wakes that wakes through this, unless it has closed.
    pub(crate) fn park_reader(&self, reader: Waker) {
        let reader = Arc::new(reader);
        let mut parts = self.fill_parts();
        let unneeded = match self.closed() {
            None => parts.slow().reader.replace(reader),
            Some(_) => Some(reader),
        };
        drop(parts);
        drop(unneeded);
    }

    /// What is overdue at `now`, if anything.
    pub(crate) fn overdue(&self, now: u64) -> Option<Overdue> {
        let pulse = self.pulse.as_deref()?;
        let deadlines = pulse.deadlines(self.group.deadlines());
        pulse.overdue(deadlines, self.id, self.state(), now)
    }
}

/// The waker of a source whose reader is watched: notes that there is something to come
/// for, and passes it on to the reader.
impl Wake for Lifecycle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(pulse) = &self.pulse {
            pulse.reader_woken();
        }
        // Left there, for the next time.
        let reader = lock(&self.parts).slow().reader.clone();
        if let Some(reader) = reader {
            reader.wake_by_ref();
        }
    }
}

//! The connection of one node, with its faults.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fate::{Call, Fate, Method};

pub(super) type Fates = Arc<dyn Fn(&Call) -> Fate + Send + Sync>;
pub(super) type Arrivals = Arc<dyn Fn(&Call, &[u8]) -> Vec<Duration> + Send + Sync>;

#[derive(Default)]
pub(super) struct Wire {
    /// Changed under the lock of the store: a cut that has returned holds for what is applied
    /// from then on.
    pub(super) is_cut: Arc<AtomicBool>,
    /// How often it was cut.
    pub(super) cuts: AtomicU64,
    pub(super) is_by_steps: AtomicBool,
    calls: AtomicU64,
    /// The life of the engine that the node has adopted, or 0.
    pub(super) adopted: AtomicU64,
    plan: Mutex<Plan>,
}

/// What was asked for. The closures are called, and dropped, without the lock.
#[derive(Default)]
struct Plan {
    by_number: BTreeMap<u64, Fate>,
    fates: Option<Fates>,
    arrivals: Option<Arrivals>,
}

impl Wire {
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    pub(super) fn number(&self, method: Method, name: &str) -> Call {
        Call {
            number: self.calls.fetch_add(1, Ordering::AcqRel) + 1,
            method,
            name: name.to_owned(),
        }
    }

    pub(super) fn fate(&self, call: &Call) -> Fate {
        let fates = {
            let mut plan = self.plan();
            if let Some(fate) = plan.by_number.remove(&call.number) {
                return fate;
            }
            plan.fates.clone()
        };
        fates.map_or(Fate::Answer, |fates| fates(call))
    }

    /// After which times a hint arrives.
    pub(super) fn arrivals(&self, call: &Call, hint: &[u8]) -> Vec<Duration> {
        let arrivals = self.plan().arrivals.clone();
        arrivals.map_or_else(|| vec![Duration::ZERO], |arrivals| arrivals(call, hint))
    }

    pub(super) fn set_fate_of(&self, number: u64, fate: Fate) {
        self.plan().by_number.insert(number, fate);
    }

    pub(super) fn set_fates(&self, fates: Option<Fates>) {
        let before = std::mem::replace(&mut self.plan().fates, fates);
        drop(before);
    }

    pub(super) fn set_arrivals(&self, arrivals: Option<Arrivals>) {
        let before = std::mem::replace(&mut self.plan().arrivals, arrivals);
        drop(before);
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("calls", &self.calls())
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

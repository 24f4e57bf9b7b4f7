//! What is alive: everything that a connection has somewhere is counted as long as it is
//! there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Default)]
pub(crate) struct Census(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Census {
    /// Counts one more `what`, until the value is dropped.
    pub(crate) fn count(&self, what: &'static str) -> Alive {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
        Alive {
            census: self.clone(),
            what,
        }
    }

    pub(crate) fn alive(&self) -> BTreeMap<&'static str, usize> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug)]
pub(crate) struct Alive {
    census: Census,
    what: &'static str,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut alive = self.census.0.lock().unwrap();
        let left = alive.get_mut(self.what).unwrap();
        *left -= 1;
        if *left == 0 {
            alive.remove(self.what);
        }
    }
}

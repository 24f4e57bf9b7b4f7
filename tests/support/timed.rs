//! A scope that is swept at times of the test's own making.

use std::time::{Duration, Instant};

use hangup::{Deadlines, Pending, Scope, ScopeBuilder};

pub(crate) struct Timed {
    pub(crate) scope: Scope,
    pub(crate) now: Instant,
}

impl Timed {
    pub(crate) fn new(deadlines: Deadlines) -> Self {
        Self::of(Scope::builder().deadlines(deadlines).swept_by_hand())
    }

    pub(crate) fn of(builder: ScopeBuilder) -> Self {
        let mut timed = Self {
            scope: builder.build(),
            now: Instant::now(),
        };
        assert_eq!(timed.after(Duration::ZERO), 0);
        timed
    }

    pub(crate) fn open(&self) -> Pending {
        self.scope.open().unwrap()
    }

    /// Sweeps `elapsed` later.
    pub(crate) fn after(&mut self, elapsed: Duration) -> usize {
        self.now += elapsed;
        self.scope.sweep(self.now)
    }

    /// Sweeps until what has happened has a date, which takes two.
    pub(crate) fn date(&mut self) {
        for _ in 0..2 {
            assert_eq!(self.after(Duration::from_secs(3)), 0);
        }
    }
}

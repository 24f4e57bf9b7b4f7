//! Connections that come and go in every way, under a few keys.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::executor::block_on;
use hangup::{CloseReason, Closed, Conflict, Handle, Live, OpenError, Pending, Registry, Scope};

use crate::clock::Clock;
use crate::ledger::{Gauge, Turns, Undos, assert_nothing_is_left};
use crate::lookups::{Workers, look_up};
use crate::random::Random;
use crate::witness::Witness;
use crate::{POLICIES, THREADS, alone, most, rounds, step, while_running};

const KEYS: usize = 3;

const DRAINS: usize = 20;

const OPENED_BEFORE_DRAIN: usize = 50;

/// How many live ones a thread keeps.
const KEPT: usize = 3;

#[test]
fn whoever_comes_and_goes_is_found_while_live_and_leaves_nothing() {
    let _alone = alone();
    // Of all threads together.
    let connections = rounds(5_000, 50_000);
    for conflict in POLICIES {
        for threads in THREADS {
            let churn = Churn::new(conflict, threads + 1);
            churn.run(threads, |random| {
                let mut kept = VecDeque::new();
                for _ in 0..connections / threads {
                    match churn.scope.open() {
                        Ok(pending) => kept.extend(churn.one_connection(pending, random)),
                        Err(refused) => {
                            assert_eq!(refused, OpenError::Full);
                            kept.clear();
                        }
                    }
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                    churn.meddle(random);
                }
            });
            churn.assert_nothing_is_left();
        }
    }
}

#[test]
fn r15_whoever_opens_while_a_drain_begins_is_refused_or_closed() {
    let _alone = alone();
    for conflict in POLICIES {
        for threads in THREADS {
            for _ in 0..DRAINS {
                drain(conflict, threads);
            }
        }
    }
}

fn drain(conflict: Conflict, threads: usize) {
    // No limit: one that is closed here may count for longer than it is there.
    let churn = Churn::new(conflict, usize::MAX / 2);
    let scope = &churn.scope;
    churn.run(threads, |random| {
        let mut kept = VecDeque::new();
        let refused = loop {
            let pending = match scope.open() {
                Ok(pending) => pending,
                Err(refused) => break refused,
            };
            kept.extend(churn.one_connection(pending, random));
            if kept.len() > KEPT {
                kept.pop_front();
            }
            // Whoever comes this far first, and maybe others with it.
            if churn.opened.load(Ordering::SeqCst) > OPENED_BEFORE_DRAIN {
                scope.begin_drain();
                scope.close_all(CloseReason::Shutdown);
                assert_eq!(scope.stats().open(), 0, "one was missed");
            }
        };
        assert_eq!(refused, OpenError::Draining);
        // It waits for nobody's owner: some are kept here until later.
        block_on(scope.drained());
        assert!(scope.handles().is_empty());
        assert!(churn.workers.is_empty());
    });
    churn.assert_nothing_is_left();
}

/// What the threads share.
struct Churn {
    scope: Scope,
    max_connections: usize,
    workers: Workers,
    conflict: Conflict,
    clock: Arc<Clock>,
    opened: AtomicUsize,
    inside: Gauge,
    undos: Undos,
    turns: Turns,
}

impl Churn {
    fn new(conflict: Conflict, max_connections: usize) -> Self {
        let turns = Turns::default();
        Self {
            scope: Scope::builder().max_connections(max_connections).build(),
            max_connections,
            workers: turns.of(Registry::builder(conflict).remember_closes(1)),
            conflict,
            clock: Arc::default(),
            opened: AtomicUsize::new(0),
            inside: Gauge::default(),
            undos: Undos::default(),
            turns,
        }
    }

    /// Has `one` run by as many threads, and looks up until all of them are done.
    fn run(&self, threads: usize, one: impl Fn(&mut Random) + Sync) {
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|seed| {
                    let one = &one;
                    scope.spawn(move || one(&mut Random::new(seed)))
                })
                .collect();
            let most = most(self.conflict);
            while_running(&running, || look_up(&self.workers, &self.clock, KEYS, most));
        });
    }

    /// From its admission to wherever it gets.
    fn one_connection(&self, pending: Pending, random: &mut Random) -> Option<Live> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let inside = self.inside.enter(self.max_connections);
        // Only a drain closes it so early.
        let mut setup = pending.register().ok()?;
        self.undos.hold(&mut setup, inside);
        let key = random.below(KEYS as u64) as usize;
        let witness = Witness::new(&self.clock, key);
        let value = Arc::clone(&witness);
        let joined = if random.one_in(3) {
            block_on(setup.take_over(&self.workers, key, value)).map(drop)
        } else {
            setup.join(&self.workers, key, value)
        };
        if joined.is_err() && random.one_in(2) {
            return None;
        }
        if random.one_in(3) {
            let step = setup.run(step());
            let _: Result<(), Closed> = block_on(step);
        }
        if random.one_in(8) {
            return None;
        }
        // The last, so that it is the first to run.
        let gone = Arc::clone(&witness);
        self.undos.on_close(&mut setup, move || gone.is_gone());
        witness.may_be_live();
        let live = setup.go_live().ok()?;
        if random.one_in(4) {
            let _: Result<(), Closed> = live.close(CloseReason::Completed);
            witness.is_gone();
            return None;
        }
        Some(live)
    }

    /// Closes others, or finds out how they closed.
    fn meddle(&self, random: &mut Random) {
        let key = random.below(KEYS as u64) as usize;
        match random.below(12) {
            0 => {
                self.workers.close(&key, CloseReason::App(1));
            }
            1 => {
                let is_even = |_: &usize, witness: &Arc<Witness>| witness.key % 2 == 0;
                self.workers.close_where(is_even, CloseReason::App(2));
            }
            2..5 => {
                let Some(member) = self.workers.get(&key) else {
                    return;
                };
                let handle: &Handle = member.handle();
                let _: Result<(), Closed> = handle.close(CloseReason::App(3));
                // Whoever closed it.
                member.is_gone();
                assert!(
                    self.workers
                        .get(&key)
                        .is_none_or(|now| now.handle() != handle)
                );
            }
            _ => {}
        }
    }

    fn assert_nothing_is_left(&self) {
        let opened = self.opened.load(Ordering::SeqCst);
        assert_nothing_is_left(&self.scope, &self.workers, opened, &self.undos, &self.turns);
    }
}

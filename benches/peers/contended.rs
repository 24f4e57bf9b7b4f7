//! Two threads in one server.

use std::hint::black_box;

use hangup::{CloseReason, Closed};

use crate::contest::{Contest, repeat};
use crate::pairs::Pace;
use crate::servers::{ByHand, OnHangup, RESIDENTS};
use crate::side::{Run, Side};
use crate::two_threads::{Thread, TwoThreads};

/// Few enough for the threads to meet under them.
const SHARED_KEYS: u64 = 4;

/// What a thread connects under, each time.
type Key = fn(Thread, u64) -> u64;

trait Server: Send + Sync + 'static {
    fn populated() -> Self;
    /// Connects and goes.
    fn churn(&self, key: u64);
    /// Finds whoever is under `key` so as to close it, and does not.
    fn look_up(&self, key: u64);
}

impl Server for OnHangup<u64> {
    fn populated() -> Self {
        Self::new(|key| key)
    }

    fn churn(&self, key: u64) {
        // The other thread may replace it, before it is live or after that.
        if let Some(live) = black_box(self.try_connect(key)) {
            let _: Result<(), Closed> = live.close(CloseReason::Completed);
        }
    }

    fn look_up(&self, key: u64) {
        drop(black_box(self.registry.get(&key)).unwrap());
    }
}

impl Server for ByHand<u64> {
    fn populated() -> Self {
        Self::new(|key| key)
    }

    fn churn(&self, key: u64) {
        drop(black_box(self.connect(key)));
    }

    fn look_up(&self, key: u64) {
        let token = self.members.get(&key).map(|it| it.value().clone());
        drop(black_box(token).unwrap());
    }
}

pub(crate) fn contests() -> Vec<Contest> {
    let own: Key = |thread, time| RESIDENTS + 2 * time + thread as u64;
    let shared: Key = |_, time| RESIDENTS + time % SHARED_KEYS;
    vec![
        Contest::new("churn on disjoint keys", ours(churn::<OnHangup<_>>(own)))
            .against("churn_disjoint", peer(churn::<ByHand<_>>(own)))
            .at(Pace::THREADS),
        Contest::new("churn on shared keys", ours(churn::<OnHangup<_>>(shared)))
            .against("churn_shared", peer(churn::<ByHand<_>>(shared)))
            .at(Pace::THREADS),
        Contest::new("lookup", ours(look_up::<OnHangup<_>>()))
            .against("lookup", peer(look_up::<ByHand<_>>())),
        Contest::new(
            "lookup beside churn",
            ours(look_up_beside_churn::<OnHangup<_>>()),
        )
        .against(
            "lookup_beside_churn",
            peer(look_up_beside_churn::<ByHand<_>>()),
        )
        .at(Pace::THREADS),
    ]
}

fn ours(run: Run) -> Side {
    Side::new("hangup", run)
}

fn peer(run: Run) -> Side {
    Side::new("token and DashMap", run)
}

/// Both threads at once.
fn churn<S: Server>(key: Key) -> Run {
    let server = S::populated();
    let threads = TwoThreads::new(move |thread, times| {
        for time in times {
            server.churn(key(thread, time));
        }
    });
    Box::new(move |times| threads.run(times, &[Thread::This, Thread::Other]))
}

/// One after the other.
fn look_up<S: Server>() -> Run {
    let server = S::populated();
    let mut key = 0;
    repeat(move || {
        key = (key + 1) % RESIDENTS;
        server.look_up(key);
    })
}

/// On one thread, while the other one churns.
fn look_up_beside_churn<S: Server>() -> Run {
    let server = S::populated();
    let threads = TwoThreads::new(move |thread, times| {
        for time in times {
            match thread {
                Thread::This => server.look_up(time % RESIDENTS),
                Thread::Other => server.churn(RESIDENTS + time),
            }
        }
    });
    Box::new(move |times| threads.run(times, &[Thread::This]))
}

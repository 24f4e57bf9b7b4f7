//! The end of a scope, in time.

use std::future::IntoFuture;
use std::time::Duration;

use ::tokio::time::{Instant, sleep, timeout};

use crate::{BoxFuture, CloseReason, Closed, ConnectionId, Handle, Scope};

/// As many as a server tells at once without noticing.
const BATCH: usize = 1000;
/// Between two batches, unless that takes too long.
const PAUSE: Duration = Duration::from_millis(100);
/// For the tasks of undos that are given up, to be polled once more.
const GRACE: Duration = Duration::from_millis(250);

impl Scope {
    /// Ends everything, within `deadline` if at all possible:
    ///
    /// 1. From now on nothing is [admitted](Self::begin_drain), for good.
    /// 2. Every connection is closed as [`Shutdown`](CloseReason::Shutdown), the oldest
    ///    first. Its stream says its farewell and ends. They are closed in
    ///    [batches](Drain::batches_of) and [spread](Drain::spread) over some time, so that
    ///    not all of the clients come back at once.
    /// 3. It waits until all have settled, asynchronous undos included.
    /// 4. When the deadline passes, all that are still open are closed, and asynchronous
    ///    undos that have not ended are [given up](Handle::forsake_undos).
    ///
    /// It does nothing until it is awaited. It does not wait until the transport has sent
    /// the farewells: that is up to the server. A graceful shutdown of axum or of
    /// hyper-util, begun after this or beside it, waits for that. It ends soon then, but
    /// for clients that do not read: give it a limit of its own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the scope draining and those open that were not
    /// closed yet.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without timers.
    ///
    /// # Examples
    ///
    /// With axum: first the streams, then the server.
    ///
    /// ```
    /// # use std::future::ready as ctrl_c;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use hangup::Scope;
    ///
    /// let scope = Scope::new();
    /// let app = axum::Router::new(); // ...with the scope in its state
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         ctrl_c(()).await;
    ///         let report = scope.drain(Duration::from_secs(10)).await;
    ///         println!("{} closed, {} by force", report.closed, report.forced);
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&self, deadline: Duration) -> Drain {
        Drain {
            scope: self.clone(),
            deadline,
            batch: BATCH,
            spread: None,
        }
    }
}

/// A drain that has not begun. Made by [`Scope::drain`]; `.await` it.
#[derive(Debug)]
#[must_use = "a drain does nothing unless it is awaited"]
pub struct Drain {
    scope: Scope,
    deadline: Duration,
    batch: usize,
    spread: Option<Duration>,
}

/// How a drain went. Each connection that had not settled when it began is counted once: in
/// `closed`, `forced` or `unsettled`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// How many had settled before the deadline.
    pub closed: usize,
    /// How many have settled since, because they were forced to.
    pub forced: usize,
    /// The asynchronous undos that were not run to their end, those included that had
    /// overrun a [deadline](crate::Deadlines::undo) of their own.
    pub overrun: Vec<Overrun>,
    /// Who has not settled even so: it is closed, but the owner is in a set-up step that
    /// nobody polls, or a task or an undo of it does not return.
    pub unsettled: Vec<ConnectionId>,
}

/// An undo that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overrun {
    /// Whose.
    pub id: ConnectionId,
    /// Its name.
    pub undo: String,
}

impl Drain {
    /// How many are closed at once, 1000 unless this is called. At least one.
    pub fn batches_of(mut self, size: usize) -> Self {
        self.batch = size.max(1);
        self
    }

    /// The time from the first batch to the last. The pauses differ from each other by a
    /// random share.
    ///
    /// Unless this is called, that is a tenth of a second for each batch but the first, and
    /// half of the deadline at most.
    pub fn spread(mut self, time: Duration) -> Self {
        self.spread = Some(time);
        self
    }

    async fn run(self) -> DrainReport {
        self.scope.begin_drain();
        // All there will ever be: whoever is admitted is in here (I6).
        let handles = self.scope.handles();
        let in_time = timeout(self.deadline, async {
            self.tell(&handles).await;
            self.scope.settled().await;
        });
        let mut report = DrainReport::default();
        if in_time.await.is_ok() {
            report.closed = handles.len();
        } else {
            let (settled, left): (Vec<_>, Vec<_>) = handles
                .iter()
                .partition(|handle| handle.settlement().is_some());
            report.closed = settled.len();
            for handle in &left {
                handle.forsake_undos();
                close(handle);
            }
            // Whether or not they make it.
            let _: Result<(), _> = timeout(GRACE, self.scope.settled()).await;
        }
        for handle in &handles {
            let Some(settled) = handle.settlement() else {
                report.unsettled.push(handle.id());
                continue;
            };
            let overrun = |undo| Overrun {
                id: handle.id(),
                undo,
            };
            report
                .overrun
                .extend(settled.unfinished.into_iter().map(overrun));
        }
        report.forced = handles.len() - report.closed - report.unsettled.len();
        report
    }

    async fn tell(&self, handles: &[Handle]) {
        let pauses = handles.len().div_ceil(self.batch).saturating_sub(1);
        let pauses = u32::try_from(pauses).unwrap_or(u32::MAX);
        let spread = self
            .spread
            .unwrap_or_else(|| (self.deadline / 2).min(PAUSE.saturating_mul(pauses)));
        let begun = Instant::now();
        for (past, batch) in (0..).zip(handles.chunks(self.batch)) {
            if past > 0 {
                // Of its own slot a share: in all it takes as long as it should.
                let slot = spread / pauses;
                let due = slot
                    .saturating_mul(past - 1)
                    .saturating_add(slot.mul_f64(jitter()));
                sleep(due.saturating_sub(begun.elapsed())).await;
            }
            batch.iter().for_each(close);
        }
    }
}

impl IntoFuture for Drain {
    type Output = DrainReport;
    type IntoFuture = BoxFuture<DrainReport>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

fn close(handle: &Handle) {
    // Whatever reason it had before ours, it is closed.
    let _: Result<(), Closed> = handle.close(CloseReason::Shutdown);
}

/// From 0 to less than 1, for which the randomness of a hash is good enough.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};

    // Of all the bits, as many as are certain to be a number.
    let random = RandomState::new().hash_one(()) >> 32;
    f64::from(u32::try_from(random).expect("32 bits are left")) / 2f64.powi(32)
}

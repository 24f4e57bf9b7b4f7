//! Draining a scope within a deadline.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Scope;
use super::turn::turn;
use crate::id::ConnectionId;
use crate::lifecycle::telemetry::DrainEvent;
use crate::lifecycle::{Handle, WaitsFor};
use crate::runtime::{self, BoxFuture, NoRuntime, Runtime};
use crate::state::CloseReason;

/// The number of connections that a server closes at once without a noticeable delay.
const BATCH: usize = 256;
/// The pause between two batches, unless all pauses together take too long.
const PAUSE: Duration = Duration::from_millis(25);
/// The shortest pause that is worth a timer.
const TICK: Duration = Duration::from_millis(10);
/// The time for the tasks of abandoned undos to be polled once more.
const GRACE: Duration = Duration::from_millis(250);

/// The end of a deadline that is longer than there are instants: thirty years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// The least time that a [server](Scope::serve) has after a drain, to send the farewells.
const FOR_THE_SERVER: Duration = Duration::from_millis(500);

impl Scope {
    /// Ends every connection within `deadline`: 256 every fortieth of a second, so 9,000 take about
    /// a second; with a [`spread`](Drain::spread) of zero there are no pauses.
    ///
    /// 1. From now on nothing is [admitted](Self::begin_drain), for good.
    /// 2. Every connection is closed as [`Shutdown`](CloseReason::Shutdown), the oldest
    ///    first, and its stream yields its farewell and ends. They are closed in
    ///    [batches](Drain::batch_size) with pauses in between, so that not all clients reconnect
    ///    at once.
    /// 3. The drain waits until all connections have settled, asynchronous undos included, and
    ///    lets the tasks that it woke run once: they send the farewells.
    /// 4. When the deadline passes, the connections that are still open are closed, and the
    ///    asynchronous undos that have not ended are [abandoned](Handle::abandon_undos).
    ///
    /// It does nothing until it is awaited. It does not wait until the transport has sent all
    /// farewells: that is up to the server. A graceful shutdown of axum or of
    /// hyper-util, begun after the drain or beside it, waits for that. It ends soon then,
    /// except for clients that do not read: [`serve`](Self::serve) gives it a limit.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] if there is no [`Runtime`](crate::runtime) to take the time from. Nothing
    /// has changed then, and the scope still admits.
    ///
    /// # Cancel safety
    ///
    /// To drop the future leaves the scope draining, and the connections open that were not
    /// closed yet.
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
    ///         println!("{report:?}");
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
#[derive(Debug, Clone)]
#[must_use = "a drain does nothing unless it is awaited"]
pub struct Drain {
    scope: Scope,
    deadline: Duration,
    batch: usize,
    spread: Option<Duration>,
}

/// How a drain went. Each connection that had not settled when the drain began is counted
/// once: in `closed`, `forced` or `unsettled`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// How many connections settled before the deadline.
    pub closed: usize,
    /// How many connections settled after the deadline, because they were forced to.
    pub forced: usize,
    /// The asynchronous undos and the goodbyes that did not run to their end, including those
    /// that overran a [deadline](crate::Deadlines::undo) of their own.
    pub abandoned: Vec<AbandonedUndo>,
    /// The connections that are closed and have not settled even so: the owner is in a
    /// set-up step that is not polled, or a task or an undo does not return.
    pub unsettled: Vec<Unsettled>,
}

/// An asynchronous undo that did not run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbandonedUndo {
    /// The connection.
    pub id: ConnectionId,
    /// The name of the undo.
    pub undo: String,
}

/// A connection that a [drain](Scope::drain) left unsettled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsettled {
    /// The connection.
    pub id: ConnectionId,
    /// What it waits for; `None` if a synchronous undo is running, or if it has settled since.
    pub waits_for: Option<WaitsFor>,
}

impl Drain {
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The most connections that are closed at once: 256, unless this is called. At least
    /// one. A [spread](Self::spread) drain closes fewer if that is enough.
    pub fn batch_size(mut self, size: usize) -> Self {
        self.batch = size.max(1);
        self
    }

    /// The time from the first close to the last, over which they are spread evenly, whatever
    /// the number of connections: one at a time, or in batches of the same size if there are
    /// more than a hundred connections for each second. Random pauses divide them.
    ///
    /// With zero there are no pauses: other tasks run between two batches, and no more. All
    /// clients that come back then do so at once.
    ///
    /// Unless this is called, a full [batch](Self::batch_size) is closed every fortieth of a
    /// second, or more often if all of them would take more than half of the deadline.
    pub fn spread(mut self, time: Duration) -> Self {
        self.spread = Some(time);
        self
    }

    async fn run(self) -> Result<DrainReport, NoRuntime> {
        let given = self.scope.runtime().cloned();
        let runtime = given.or_else(runtime::current).ok_or(NoRuntime)?;
        let begun = runtime.now();
        self.scope.begin_drain();
        // All connections that there will ever be: no other is admitted (I6).
        let handles = self.scope.handles();
        let mut deadline = runtime.sleep(self.deadline);
        let in_time = before(&mut deadline, async {
            let closed = self.close_in_batches(&handles, &runtime).await;
            self.scope.drained().await;
            closed
        });
        let mut report = DrainReport::default();
        if let Some(closed) = in_time.await {
            report.closed = handles.len();
            if closed > 0 {
                // For the farewells: a server that is told to stop before its streams are polled
                // closes a socket behind each of them, and the last ones come late.
                let _: Option<()> = before(&mut deadline, turn(&runtime)).await;
            }
        } else {
            let (settled, left): (Vec<_>, Vec<_>) = handles
                .iter()
                .partition(|handle| handle.try_settled().is_some());
            report.closed = settled.len();
            self.scope.tell(DrainEvent::Forced { left: left.len() });
            for handle in &left {
                handle.abandon_undos();
                close(handle);
            }
            // The report says which connections did not settle in this time.
            let _: Option<()> = before(&mut runtime.sleep(GRACE), self.scope.drained()).await;
        }
        for handle in &handles {
            let Some(settled) = handle.try_settled() else {
                report.unsettled.push(Unsettled {
                    id: handle.id(),
                    waits_for: handle.waits_for(),
                });
                continue;
            };
            let abandoned = |undo| AbandonedUndo {
                id: handle.id(),
                undo,
            };
            report
                .abandoned
                .extend(settled.abandoned.into_iter().map(abandoned));
        }
        let now = runtime.now();
        let until = begun.checked_add(self.deadline).unwrap_or(now + FAR);
        let until = until.max(now + FOR_THE_SERVER);
        self.scope.shared.serve_until(until);
        report.forced = handles.len() - report.closed - report.unsettled.len();
        self.scope.tell(DrainEvent::Done {
            closed: report.closed,
            forced: report.forced,
            unsettled: report.unsettled.len(),
        });
        Ok(report)
    }

    /// Returns how many it closed.
    async fn close_in_batches(&self, handles: &[Handle], runtime: &Arc<dyn Runtime>) -> usize {
        let size = self.spread.map_or(self.batch, |time| {
            let ticks = usize::try_from(time.as_nanos() / TICK.as_nanos()).unwrap_or(usize::MAX);
            handles.len().div_ceil(ticks.max(1)).clamp(1, self.batch)
        });
        let pauses = handles.len().div_ceil(size).saturating_sub(1);
        let pauses = u32::try_from(pauses).unwrap_or(u32::MAX);
        let spread = self
            .spread
            .unwrap_or_else(|| (self.deadline / 2).min(PAUSE.saturating_mul(pauses)));
        let begun = runtime.now();
        let mut all_closed = 0;
        for (past, batch) in (0..).zip(handles.chunks(size)) {
            if past > 0 {
                // A random instant in the slot of this batch: the slots have equal lengths,
                // so all pauses together take as long as they should.
                let slot = spread / pauses;
                let due = slot
                    .saturating_mul(past - 1)
                    .saturating_add(slot.mul_f64(jitter()));
                let elapsed = runtime.now().saturating_duration_since(begun);
                match due.saturating_sub(elapsed) {
                    Duration::ZERO => turn(runtime).await,
                    pause => runtime.sleep(pause).await,
                }
            }
            let closed = batch.iter().filter(|handle| close(handle)).count();
            self.scope.tell(DrainEvent::Batch { closed });
            all_closed += closed;
        }
        all_closed
    }
}

impl IntoFuture for Drain {
    type Output = Result<DrainReport, NoRuntime>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The output of `work`, or `None` if `deadline` completes first.
async fn before<T>(deadline: &mut BoxFuture<()>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        deadline.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// `false` if it closed before, for another reason.
fn close(handle: &Handle) -> bool {
    handle.close(CloseReason::Shutdown).is_ok()
}

/// A random number from 0 to less than 1: the keys of a hasher are random enough for that.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};

    // As many bits as an f64 represents exactly.
    let random = RandomState::new().hash_one(()) >> 32;
    f64::from(u32::try_from(random).expect("32 bits are left")) / 2f64.powi(32)
}

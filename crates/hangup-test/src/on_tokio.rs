//! A tokio runtime whose clock stands still while a task is woken.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ::tokio::runtime::{Builder, Handle, Runtime};
use ::tokio::task::yield_now;
use ::tokio::time::{Instant, sleep};
use hangup::runtime::{BoxFuture, Entered};

use crate::panic::panics_of;
use crate::trial::Trial;
use crate::waker::{Passed, RunWaker};

/// How often the tasks on the runtime have their turn before a task of the trial.
const TURNS: usize = 16;

pub(crate) struct PausedRuntime {
    runtime: Runtime,
    for_hangup: Arc<ForHangup>,
    begun: Instant,
    /// How long a handler may wait for a timer.
    patience: Duration,
    /// How often a timer has fired.
    fired: Arc<AtomicUsize>,
    /// The messages of the panics of tasks.
    panics: RefCell<Vec<String>>,
}

impl PausedRuntime {
    pub(crate) fn new(patience: Duration, trial: &Trial) -> std::io::Result<Self> {
        let fired = Arc::<AtomicUsize>::default();
        let fires = Arc::clone(&fired);
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        builder.on_thread_unpark(move || {
            // ORDERING: it is read on the same thread.
            fires.fetch_add(1, Ordering::Relaxed);
        });
        let runtime = builder.build()?;
        let begun = runtime.block_on(async { Instant::now() });
        let for_hangup = Arc::new(ForHangup {
            trial: trial.clone(),
            handle: runtime.handle().clone(),
        });
        Ok(Self {
            runtime,
            for_hangup,
            begun,
            patience,
            fired,
            panics: RefCell::default(),
        })
    }

    /// Calls `f` inside the runtime context.
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        // Inside `block_on`, a task that yields would register a wake-up that never
        // comes.
        let _entered = self.runtime.enter();
        f()
    }

    /// Makes the trial the runtime of `hangup` on this thread, until the value is dropped.
    pub(crate) fn enter_hangup(&self) -> Entered {
        hangup::runtime::enter(Arc::clone(&self.for_hangup))
    }

    /// Runs the tasks that are woken.
    pub(crate) fn settle(&self, waker: &RunWaker) {
        self.wait(waker, Duration::from_millis(1));
    }

    /// Gives the tasks that are woken some turns, although tasks of the trial are woken too.
    pub(crate) fn go_first(&self) {
        let turns = async {
            for _ in 0..TURNS {
                yield_now().await;
            }
        };
        let ((), panics) = panics_of(|| self.runtime.block_on(turns));
        self.panics.borrow_mut().extend(panics);
    }

    /// Runs the runtime until a task of the trial is woken.
    pub(crate) fn pass(&self, waker: &RunWaker) -> Passed {
        self.wait(waker, self.patience)
    }

    fn wait(&self, waker: &RunWaker, patience: Duration) -> Passed {
        let waits = async {
            let begun = Instant::now();
            let mut patience = pin!(sleep(patience));
            let woken = poll_fn(|cx| {
                if waker.listen(cx.waker().clone()) {
                    return Poll::Ready(true);
                }
                patience.as_mut().poll(cx).map(|()| false)
            });
            let woken = woken.await;
            let time = begun < Instant::now();
            Passed { woken, time }
        };
        let (passed, panics) = panics_of(|| self.runtime.block_on(waits));
        self.panics.borrow_mut().extend(panics);
        passed
    }

    /// Returns the messages of the panics of tasks since the last call.
    pub(crate) fn take_panics(&self) -> Vec<String> {
        self.panics.take()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.enter(|| self.begun.elapsed())
    }

    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Returns how often timers have fired, including those of the runtime's own waits.
    pub(crate) fn fired(&self) -> usize {
        // ORDERING: it is written on the same thread.
        self.fired.load(Ordering::Relaxed)
    }
}

/// Runs the tasks of `hangup` as tasks of the trial, so that they run in both orders and
/// their polls are points.
struct ForHangup {
    trial: Trial,
    handle: Handle,
}

impl hangup::runtime::Runtime for ForHangup {
    fn spawn(&self, task: BoxFuture<()>) {
        if self.trial.is_of_this_thread() {
            self.trial.spawn_named("that `hangup` spawned".into(), task);
        } else {
            self.handle.spawn(task);
        }
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // Time does not pass while it runs.
        self.handle.spawn_blocking(work);
    }

    fn now(&self) -> std::time::Instant {
        let _entered = self.handle.enter();
        Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let _entered = self.handle.enter();
        Box::pin(sleep(duration))
    }
}

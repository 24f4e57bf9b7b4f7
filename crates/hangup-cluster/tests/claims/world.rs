//! One thread on which all tasks of all nodes run, with a time of its own.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use hangup::runtime::{BoxFuture, Runtime};

/// Tasks in the order in which they were woken, and timers that fire when nothing else is to be
/// done. What is spawned on it belongs to one process, which may be stopped.
#[derive(Clone)]
pub(crate) struct World {
    shared: Arc<Mutex<State>>,
    process: usize,
}

struct State {
    base: Instant,
    now: Duration,
    tasks: BTreeMap<u64, (usize, Option<BoxFuture<()>>)>,
    /// The processes that are stopped, and the tasks of theirs that were woken.
    stopped: BTreeMap<usize, Vec<u64>>,
    ready: Arc<Mutex<VecDeque<u64>>>,
    timers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
}

struct TaskWaker {
    id: u64,
    ready: Arc<Mutex<VecDeque<u64>>>,
    is_queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap().push_back(self.id);
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Mutex::new(State {
            base: Instant::now(),
            now: Duration::ZERO,
            tasks: BTreeMap::new(),
            stopped: BTreeMap::new(),
            ready: Arc::default(),
            timers: BTreeMap::new(),
            next: 0,
        }));
        Self { shared, process: 0 }
    }

    /// The same world, for the tasks of this process.
    pub(crate) fn process(&self, process: usize) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            process,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    /// No task of the process runs until it goes on.
    pub(crate) fn stop(&self, process: usize) {
        self.state().stopped.entry(process).or_default();
    }

    pub(crate) fn go_on(&self, process: usize) {
        let mut state = self.state();
        let woken = state.stopped.remove(&process).unwrap_or_default();
        state.ready.lock().unwrap().extend(woken);
    }

    /// Runs all tasks until each of them waits.
    pub(crate) fn run(&self) {
        loop {
            let ready = Arc::clone(&self.state().ready);
            let Some(id) = ready.lock().unwrap().pop_front() else {
                return;
            };
            let (process, mut task) = {
                let mut state = self.state();
                let Some((process, task)) = state.tasks.get_mut(&id) else {
                    continue;
                };
                let process = *process;
                let Some(task) = task.take() else { continue };
                if let Some(woken) = state.stopped.get_mut(&process) {
                    woken.push(id);
                    state.tasks.insert(id, (process, Some(task)));
                    continue;
                }
                (process, task)
            };
            // A new waker each time, so that one that is kept from before wakes nothing twice.
            let waker = Waker::from(Arc::new(TaskWaker {
                id,
                ready,
                is_queued: AtomicBool::new(false),
            }));
            match task.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => {
                    self.state().tasks.insert(id, (process, Some(task)));
                }
                Poll::Ready(()) => {
                    self.state().tasks.remove(&id);
                }
            }
        }
    }

    /// Lets the time of the next timer come, if it is before `end`.
    pub(crate) fn next_timer(&self, end: Duration) -> bool {
        let waker = {
            let mut state = self.state();
            let Some(entry) = state.timers.first_entry() else {
                return false;
            };
            let at = entry.key().0;
            if at > end {
                return false;
            }
            let waker = entry.remove();
            state.now = state.now.max(at);
            waker
        };
        waker.wake();
        true
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.state().now
    }

    /// The process stands still for so long: no timer fires before it is over.
    pub(crate) fn stand_still(&self, duration: Duration) {
        self.state().now += duration;
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        Runtime::spawn(self, Box::pin(task));
    }

    /// Ends all tasks, as the end of a process does.
    pub(crate) fn clear(&self) {
        loop {
            let tasks = std::mem::take(&mut self.state().tasks);
            let timers = std::mem::take(&mut self.state().timers);
            if tasks.is_empty() && timers.is_empty() {
                return;
            }
            // Some of them spawn others when they are dropped.
            drop((tasks, timers));
        }
    }
}

impl Runtime for World {
    fn spawn(&self, task: BoxFuture<()>) {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, (self.process, Some(task)));
        state.ready.lock().unwrap().push_back(id);
    }

    fn now(&self) -> Instant {
        let state = self.state();
        state.base + state.now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let at = self.state().now.saturating_add(duration);
        Box::pin(Sleep {
            world: self.clone(),
            at,
            key: None,
        })
    }
}

struct Sleep {
    world: World,
    at: Duration,
    key: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.world.state();
        if state.now >= this.at {
            return Poll::Ready(());
        }
        let key = *this.key.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        state.timers.insert((this.at, key), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let removed = self.world.state().timers.remove(&(self.at, key));
            drop(removed);
        }
    }
}

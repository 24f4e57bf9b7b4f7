//! Two threads that do a job at the same time.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    This = 0,
    Other = 1,
}

/// The other one lives as long as this, as a thread of a server does.
pub(crate) struct TwoThreads {
    job: Job,
    times: Sender<u64>,
    took: Receiver<Duration>,
}

#[derive(Clone)]
struct Job {
    run: Arc<dyn Fn(Thread, u64) + Send + Sync>,
    arrived: Arc<AtomicU64>,
}

impl TwoThreads {
    /// `run` does the job so many times over, on the thread that it is told.
    pub(crate) fn new(run: impl Fn(Thread, u64) + Send + Sync + 'static) -> Self {
        let job = Job {
            run: Arc::new(run),
            arrived: Arc::default(),
        };
        let ((times, asked), (told, took)) = (channel(), channel());
        thread::spawn({
            let job = job.clone();
            // Until nobody asks any more, or wants to know.
            move || {
                for times in asked {
                    if told.send(job.run(Thread::Other, times)).is_err() {
                        break;
                    }
                }
            }
        });
        Self { job, times, took }
    }

    /// How long it took either thread.
    pub(crate) fn run(&self, times: u64) -> [Duration; 2] {
        self.times.send(times).unwrap();
        let this = self.job.run(Thread::This, times);
        [this, self.took.recv().unwrap()]
    }
}

impl Job {
    fn run(&self, thread: Thread, times: u64) -> Duration {
        self.meet();
        let begun = Instant::now();
        (self.run)(thread, times);
        begun.elapsed()
    }

    /// Both go on at once: to be woken from sleep would take one of them too long.
    fn meet(&self) {
        // ORDERING: Relaxed, because nothing is handed over here.
        let both = (self.arrived.fetch_add(1, Ordering::Relaxed) / 2 + 1) * 2;
        while self.arrived.load(Ordering::Relaxed) < both {
            spin_loop();
        }
    }
}

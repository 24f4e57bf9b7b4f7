//! Two threads that do a job at the same time.
//!
//! Where the machine is shared, one of them is often off its core: then the other one is
//! alone, and finds nothing contended. So each of them looks at the clock now and then, and
//! what they did counts only if both were there all the while.

use std::cell::Cell;
use std::hint::spin_loop;
use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Shorter than what a scheduler lets a thread run for.
const SHIFT: Duration = Duration::from_millis(2);

/// Who has not looked at the clock for so long was off its core: to wait for a lock, to be
/// woken even, does not take as long.
const ABSENCE: Duration = Duration::from_micros(500);

/// How often the job is done between two looks at the clock.
const FEW: u64 = 16;

/// On a machine that is too busy for both of them, what they did counts in the end, and
/// that is said.
const TRIES: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    This,
    Other,
}

/// The other one lives as long as this, as a thread of a server does.
pub(crate) struct TwoThreads {
    job: Job,
    call: Sender<()>,
    report: Receiver<Shift>,
    shifts: Cell<u64>,
    disturbed: Cell<u64>,
}

#[derive(Clone)]
struct Job {
    run: Arc<dyn Fn(Thread, Range<u64>) + Send + Sync>,
    arrived: Arc<AtomicU64>,
}

struct Shift {
    begun: Instant,
    took: Duration,
    /// The longest time without a look at the clock.
    absence: Duration,
    times: u64,
}

impl TwoThreads {
    /// `run` does the job once for each number, on the thread that it is told.
    pub(crate) fn new(run: impl Fn(Thread, Range<u64>) + Send + Sync + 'static) -> Self {
        let job = Job {
            run: Arc::new(run),
            arrived: Arc::default(),
        };
        let ((call, called), (reporting, report)) = (channel(), channel());
        thread::spawn({
            let job = job.clone();
            // Until nobody calls any more, or listens.
            move || {
                for () in called {
                    if reporting.send(job.shift(Thread::Other)).is_err() {
                        break;
                    }
                }
            }
        });
        Self {
            job,
            call,
            report,
            shifts: Cell::default(),
            disturbed: Cell::default(),
        }
    }

    /// How long it takes one of `counted` to do the job so many times over.
    pub(crate) fn run(&self, times: u64, counted: &[Thread]) -> Duration {
        let (mut took, mut done) = (Duration::ZERO, 0);
        while done < times {
            let [this, other] = self.together();
            for thread in counted {
                let shift = match thread {
                    Thread::This => &this,
                    Thread::Other => &other,
                };
                took += shift.took;
                done += shift.times;
            }
        }
        took.mul_f64(times as f64 / done as f64)
    }

    fn together(&self) -> [Shift; 2] {
        let mut tries = iter::repeat_with(|| {
            self.call.send(()).unwrap();
            let this = self.job.shift(Thread::This);
            [this, self.report.recv().unwrap()]
        });
        let all_the_while = |[this, other]: &[Shift; 2]| {
            let late = this.begun.max(other.begun) - this.begun.min(other.begun);
            let there = late.max(this.absence).max(other.absence) < ABSENCE;
            if !there {
                // Who has slept is let onto a core before those who did not.
                thread::sleep(SHIFT);
            }
            there
        };
        let undisturbed = tries.by_ref().take(TRIES).find(all_the_while);
        self.shifts.set(self.shifts.get() + 1);
        undisturbed.unwrap_or_else(|| {
            self.disturbed.set(self.disturbed.get() + 1);
            tries.next().unwrap()
        })
    }
}

impl Drop for TwoThreads {
    fn drop(&mut self) {
        let (shifts, disturbed) = (self.shifts.get(), self.disturbed.get());
        // A median leaves a few of them out.
        if disturbed * 4 > shifts {
            eprintln!(
                "  wrong: too busy a machine for two threads at once, {disturbed} of {shifts} times"
            );
        }
    }
}

impl Job {
    fn shift(&self, thread: Thread) -> Shift {
        self.meet();
        let begun = Instant::now();
        let mut shift = Shift {
            begun,
            took: Duration::ZERO,
            absence: Duration::ZERO,
            times: 0,
        };
        while shift.took < SHIFT {
            (self.run)(thread, shift.times..shift.times + FEW);
            shift.times += FEW;
            let took = begun.elapsed();
            shift.absence = shift.absence.max(took - shift.took);
            shift.took = took;
        }
        shift
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

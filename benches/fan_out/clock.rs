//! The time that threads were on a core.

use std::time::Duration;

use hangup_benches::audience::Meter;
use rustix::time::{ClockId, clock_gettime};

/// Of this thread. All that is to be counted runs in it: `instructions` counts what it calls.
pub(crate) const THREAD: Meter = thread_meter;

/// Of all threads of the process.
pub(crate) const PROCESS: Meter = |part| {
    let begun = now(ClockId::ProcessCPUTime);
    part();
    now(ClockId::ProcessCPUTime) - begun
};

#[inline(never)]
fn thread_meter(part: &mut dyn FnMut()) -> Duration {
    let begun = now(ClockId::ThreadCPUTime);
    part();
    now(ClockId::ThreadCPUTime) - begun
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let both = (time.tv_sec.try_into(), time.tv_nsec.try_into());
    let (Ok(seconds), Ok(nanoseconds)) = both else {
        unreachable!("a CPU time is not negative");
    };
    Duration::new(seconds, nanoseconds)
}

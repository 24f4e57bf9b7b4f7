//! What Linux knows of a process.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// The time that its threads were on a core. It is exact while they sleep, and behind by a few
/// milliseconds while they run.
pub(crate) fn cpu_time(process: &Child) -> Duration {
    let threads = fs::read_dir(folder(process).join("task")).expect("it runs");
    let nanoseconds = threads.map(|thread| {
        let times = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        let time: Option<u64> = times.split(' ').next().and_then(|it| it.parse().ok());
        time.unwrap_or_else(|| panic!("no time: {times:?}"))
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The bytes of its memory that are in use.
pub(crate) fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(folder(process).join("status")).expect("it runs");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kilobytes: Option<u64> = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.expect("a size in kilobytes") * 1024
}

fn folder(process: &Child) -> PathBuf {
    PathBuf::from(format!("/proc/{}", process.id()))
}

/// Sends SIGTERM.
pub(crate) fn terminate(process: &Child) {
    let pid = Pid::from_child(process);
    kill_process(pid, Signal::TERM).expect("it has not been waited for");
}

/// Lets the processes that start from now on open as many files as they may, and returns how many
/// that is.
pub(crate) fn raise_file_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("a process may use all of its limit");
    maximum.unwrap_or(u64::MAX)
}

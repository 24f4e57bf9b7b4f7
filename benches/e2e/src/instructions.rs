//! Instructions of the server in user space, counted under callgrind: a count holds from machine
//! to machine.
//!
//! Each side runs so many times, and twice as many, and the difference is divided: what is done
//! once cancels out. The client takes each step when the server sleeps. What is left to chance is
//! what the allocator finds, and how soon the kernel tells of a client that leaves.

use std::env;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::contest::{Contest, Work};
use crate::mode::Mode;
use crate::pair::Pair;
use crate::rounds::median;
use crate::row::Row;
use crate::scale::Scale;

/// Keeps what was counted, since several rows share a side.
pub(crate) struct Counter<'a> {
    scale: &'a Scale,
    known: Vec<(Mode, Work, f64)>,
}

impl<'a> Counter<'a> {
    /// `None` without valgrind.
    pub(crate) fn new(scale: &'a Scale) -> Option<Self> {
        let found = Command::new("valgrind")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        let known = Vec::new();
        found.is_ok().then_some(Self { scale, known })
    }

    pub(crate) fn compare(&mut self, contest: &Contest) -> Row {
        let [ours, peer] = contest.sides.map(|mode| self.each(mode, contest.work));
        Row {
            name: format!("{}_instructions", contest.name),
            ours,
            peer,
            ratio: ours / peer,
            goal: contest.goals[0],
        }
    }

    /// For each stream that comes and goes, or each event of a stream.
    fn each(&mut self, mode: Mode, work: Work) -> f64 {
        let known = self.known.iter().find(|it| (it.0, it.1) == (mode, work));
        if let Some(&(.., count)) = known {
            return count;
        }
        let scale = self.scale;
        let (streams, events) = (scale.counted_streams, scale.counted_events);
        let things = work.things(streams, events, scale.counted_visits);
        let counts = (0..scale.counts).map(|_| {
            let [once, twice] = [1, 2].map(|times| count(mode, work, scale, times));
            (twice - once) / things
        });
        let count = median(counts.collect());
        self.known.push((mode, work, count));
        count
    }
}

/// Of a whole run.
fn count(mode: Mode, work: Work, scale: &Scale, times: u64) -> f64 {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        // So that the start-up does the same each time.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .stderr(Stdio::piped());
    let mut pair = Pair::counted(valgrind, mode);
    pair.order(&format!("open {}", scale.counted_streams));
    let (events, visits) = (times * scale.counted_events, times * scale.counted_visits);
    pair.order(&work.order(events, visits));
    pair.terminate();
    let mut log = String::new();
    let mut stderr = pair.server.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    let ended = pair.server_ended();
    let collected = log.lines().find_map(|it| it.split_once("Collected : "));
    let collected = collected.and_then(|(_, count)| count.trim().parse().ok());
    match collected {
        Some(count) if ended.success() => count,
        _ => panic!("callgrind counts nothing of {}: {log}", mode.name()),
    }
}

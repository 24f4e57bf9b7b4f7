//! Instructions, counted under callgrind: a count holds from machine to machine.
//!
//! Each side runs in a process of its own, `fan_out count ROW SIDE`. Only what the meter calls is
//! counted, so that to make the subscribers is not.

use std::env;
use std::process::{Command, Stdio};

use crate::contest::{Contest, Part, Side};
use crate::row::Row;

/// About so many items are taken, and at least one by each.
const ITEMS: u64 = 20_000;

/// Keeps what was counted of our side, which several rows share.
pub(crate) struct Counter {
    ours: Vec<(Part, u64, f64)>,
}

impl Counter {
    /// `None` without valgrind.
    pub(crate) fn new() -> Option<Self> {
        let found = Command::new("valgrind")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        found.is_ok().then(|| Self { ours: Vec::new() })
    }

    /// `None` for two threads, whose count depends on who comes first.
    pub(crate) fn compare(&mut self, contest: &Contest) -> Option<Row> {
        if contest.part == Part::OnTwoThreads {
            return None;
        }
        let known = |it: &&(Part, u64, f64)| (it.0, it.1) == (contest.part, contest.count);
        let ours = match self.ours.iter().find(known) {
            Some(&(.., ours)) => ours,
            None => {
                let ours = count(contest, Side::Ours);
                self.ours.push((contest.part, contest.count, ours));
                ours
            }
        };
        let peer = count(contest, Side::Peer);
        Some(Row {
            name: contest.name.to_owned(),
            ours,
            peer,
            ratio: ours / peer,
        })
    }
}

fn times(contest: &Contest) -> u64 {
    (ITEMS / (contest.count * contest.part.items())).max(1)
}

/// For each subscriber and item.
fn count(contest: &Contest, side: Side) -> f64 {
    let out = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*thread_meter*",
        ])
        .arg(env::current_exe().unwrap())
        .args(["count", contest.name, side.name()])
        // So that the start-up does the same each time.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&out.stderr);
    let collected = log.lines().find_map(|it| it.split_once("Collected : "));
    let collected: Option<f64> = collected.and_then(|(_, count)| count.trim().parse().ok());
    let collected = collected.filter(|count| out.status.success() && *count > 0.0);
    let Some(collected) = collected else {
        panic!("callgrind counts nothing of {}: {log}", contest.name);
    };
    collected / (times(contest) * contest.count * contest.part.items()) as f64
}

/// What is counted.
pub(crate) fn run(row: &str, side: &str) {
    let (contest, side) = Contest::named(row, side);
    let mut audience = contest.audience(side, u64::MAX);
    contest.part.run(&mut audience, times(contest));
}

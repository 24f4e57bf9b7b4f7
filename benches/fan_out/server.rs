//! One side of a row, in a process of its own: it is told how many times, and answers how long
//! that took.
//!
//! In one process the subscribers of the second side, and of each later row, would be where
//! earlier ones were freed, in whatever order: with a crowd beyond the cache that is measured too.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::contest::{Contest, Side};

/// A side that waits to be told.
pub(crate) struct Server {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(contest: &Contest, side: Side) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["serve", contest.name, side.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            requests: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    pub(crate) fn run(&mut self, times: u64) -> Duration {
        writeln!(self.requests, "{times}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let nanoseconds = answer.trim().parse().expect("the side answers");
        Duration::from_nanos(nanoseconds)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to clear away. `Err` if it has ended already.
        let _: io::Result<()> = self.process.kill();
        let _: io::Result<_> = self.process.wait();
    }
}

/// What the process does.
pub(crate) fn serve(row: &str, side: &str) {
    let (contest, side) = Contest::named(row, side);
    let mut audience = contest.audience(side, u64::MAX);
    for request in io::stdin().lines() {
        let times = request.unwrap().parse().expect("a number of times");
        let took = contest.part.run(&mut audience, times);
        println!("{}", took.as_nanos());
    }
}

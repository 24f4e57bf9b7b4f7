//! What a drive has seen.

use std::process::ExitStatus;
use std::time::Duration;

/// What a server with long-lived streams is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Soon after all clients have gone, also those that vanished while they connected, the
    /// server counts none; and of those that come then it counts each.
    CountsRight,
    /// After SIGTERM it exits within its deadline, though streams are open and one client has
    /// stopped reading.
    ExitsInTime,
    /// Each stream whose client reads gets a goodbye, as its protocol has it.
    SaysGoodbye,
    /// A request that comes while it shuts down is refused, as its protocol has it.
    RefusesLate,
}

/// When a server exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// So long after SIGTERM.
    After(Duration),
    /// In time, but not with success.
    Failed(ExitStatus),
    /// Not by its deadline, and was killed.
    Overdue,
}

/// How a stream ended whose client read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the goodbye that its protocol has.
    Goodbye,
    /// As a stream ends that is complete, without a goodbye.
    Complete,
    /// In the middle.
    Cut,
    /// Not by the deadline of the server.
    Open,
}

/// What a request got that came while the server shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A refusal that tells the client to come back: 503 with `Retry-After`, or `UNAVAILABLE`.
    Refused,
    /// A stream.
    Accepted,
    /// The connection ended without an answer.
    Cut,
    /// No answer by the deadline of the server.
    None,
    /// Another answer.
    Other(String),
}

/// What a drive has seen.
#[derive(Debug)]
pub struct Report {
    /// How many the server counted when all clients had gone, and it was given some time.
    pub left: u64,
    /// How many it counted when [`Plan::readers`](crate::Plan::readers) had come, and one that has
    /// stopped reading, and it was given some time.
    pub counted: u64,
    /// When it exited.
    pub exit: Exit,
    /// How the streams ended whose clients read on.
    pub endings: Vec<Ending>,
    /// What a late request got.
    pub late: Answer,
}

impl Report {
    /// The demands that the server does not meet.
    pub fn unmet(&self) -> Vec<Demand> {
        let met = [
            (
                Demand::CountsRight,
                self.left == 0 && self.counted == self.endings.len() as u64 + 1,
            ),
            (Demand::ExitsInTime, matches!(self.exit, Exit::After(_))),
            (
                Demand::SaysGoodbye,
                self.endings.iter().all(|it| *it == Ending::Goodbye),
            ),
            (Demand::RefusesLate, self.late == Answer::Refused),
        ];
        let unmet = met.into_iter().filter(|(_, met)| !met);
        unmet.map(|(demand, _)| demand).collect()
    }
}

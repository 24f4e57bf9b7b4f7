//! A node of the cluster: a gateway as a process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::http::{Answer, send};
use crate::process::Process;
use crate::stream::{Stream, Streams};

/// A node that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Node {
    /// Its process.
    pub process: Process,
    name: String,
    addr: SocketAddr,
}

/// How the worker streams are that are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask {
    /// How often it acts.
    pub work: Option<Duration>,
    /// How long its undo takes.
    pub undo: Option<Duration>,
    /// For how long it is held, and silent, when the lease has lapsed. Without it, it closes.
    pub hold: Option<Duration>,
}

impl Node {
    pub(crate) fn new(process: Process, name: String, addr: SocketAddr) -> Self {
        Self {
            process,
            name,
            addr,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether `owner`, as the resource knows it, is a connection of this node.
    #[must_use]
    pub fn is_of(&self, owner: &str) -> bool {
        let rest = owner.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Asks for the stream of the worker `name`.
    #[must_use]
    pub fn worker(&self, name: &str, ask: Ask) -> Stream {
        let mut path = format!("/worker/stream?name={name}");
        for (parameter, time) in [
            ("work_ms", ask.work),
            ("undo_ms", ask.undo),
            ("hold_ms", ask.hold),
        ] {
            if let Some(time) = time {
                path += &format!("&{parameter}={}", time.as_millis());
            }
        }
        Stream::open(self.addr, path)
    }

    /// Asks for the streams of all workers of `names` at once.
    pub fn workers(&self, names: &[String], ask: Ask) -> Streams {
        let streams = names.iter().map(|name| self.worker(name, ask));
        Streams(streams.collect())
    }

    /// Asks again for the stream of the worker `name` until it is live.
    ///
    /// # Errors
    ///
    /// If it is not live after `at_most`.
    pub async fn worker_by(
        &self,
        name: &str,
        ask: Ask,
        at_most: Duration,
    ) -> Result<Stream, Failure> {
        let deadline = Instant::now() + at_most;
        loop {
            let stream = self.worker(name, ask);
            if stream.is_live_by(deadline).await {
                return Ok(stream);
            }
            if Instant::now() >= deadline {
                let why = stream.seen().failed.unwrap_or_default();
                let what = format!("{name} is live on {}: {why}", self.name);
                return Err(Failure::overdue(what, at_most));
            }
            // Between two attempts, as a client does.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a request to it.
    ///
    /// # Errors
    ///
    /// As [`send`].
    pub async fn request(&self, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
        Ok(send(self.addr, method, path, &[], body).await?)
    }
}

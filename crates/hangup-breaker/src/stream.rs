//! Streams of workers, as their clients see them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::report::Times;
use crate::sse::Events;

/// A client that reads a stream. It hangs up when this is dropped.
#[derive(Debug)]
pub struct Stream {
    begun: Instant,
    seen: watch::Receiver<Seen>,
    _reader: JoinSet<()>,
}

/// What a client has seen of its stream.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The status of a refusal.
    pub refused: Option<u16>,
    /// The `Retry-After` of a refusal.
    pub retry_after: Option<String>,
    /// When it was live.
    pub live: Option<Instant>,
    /// Events after the first one, but for the farewell.
    pub events: u64,
    /// Why it was closed, as its farewell says.
    pub closed: Option<String>,
    /// When it has ended, in whatever way.
    pub ended: Option<Instant>,
    /// What failed.
    pub failed: Option<String>,
}

impl Stream {
    /// Asks for the stream at `path`.
    #[must_use]
    pub fn open(addr: SocketAddr, path: String) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            if let Err(error) = read(addr, &path, &tell).await {
                tell.send_modify(|seen| seen.failed = Some(error.to_string()));
            }
            tell.send_modify(|seen| seen.ended = Some(Instant::now()));
        });
        Self {
            begun: Instant::now(),
            seen,
            _reader: reader,
        }
    }

    /// What it has seen up to now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// When it was asked for.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Waits until `condition` holds for what it has seen, at most until `deadline`, and returns
    /// whether it holds. After its end nothing changes any more.
    pub async fn until(&self, deadline: Instant, condition: impl Fn(&Seen) -> bool) -> bool {
        let mut seen = self.seen.clone();
        let holds = seen.wait_for(|seen| condition(seen) || seen.ended.is_some());
        match timeout_at(deadline.into(), holds).await {
            Ok(Ok(seen)) => condition(&seen),
            // It ended before, or the time has passed.
            Ok(Err(_)) | Err(_) => condition(&self.seen.borrow()),
        }
    }

    /// Waits until it is live, or refused, at most until `deadline`; whether it is live.
    pub async fn is_live_by(&self, deadline: Instant) -> bool {
        self.until(deadline, |seen| seen.live.is_some()).await
    }
}

async fn read(addr: SocketAddr, path: &str, tell: &watch::Sender<Seen>) -> std::io::Result<()> {
    let mut events = match Events::open(addr, path, None).await? {
        Ok(events) => events,
        Err(answer) => {
            let retry_after = answer.headers.get("retry-after").cloned();
            tell.send_modify(|seen| {
                seen.refused = Some(answer.status.as_u16());
                seen.retry_after = retry_after.and_then(|it| it.to_str().ok().map(str::to_owned));
            });
            // Why, in the words of the server.
            let why = answer.text().await?;
            return Err(std::io::Error::other(why));
        }
    };
    while let Some(event) = events.next().await? {
        tell.send_modify(|seen| match &event.name[..] {
            "connected" => seen.live = Some(Instant::now()),
            "closed" => seen.closed = Some(event.data),
            _ => seen.events += 1,
        });
    }
    Ok(())
}

/// Several streams.
#[derive(Debug)]
pub struct Streams(pub Vec<Stream>);

impl Streams {
    /// How many of them meet `condition`, when all do or `at_most` has passed.
    pub async fn meet(&self, at_most: Duration, condition: impl Fn(&Seen) -> bool) -> usize {
        let deadline = Instant::now() + at_most;
        let mut met = 0;
        for stream in &self.0 {
            met += usize::from(stream.until(deadline, &condition).await);
        }
        met
    }

    /// How many are live, when all are or `at_most` has passed.
    pub async fn live(&self, at_most: Duration) -> usize {
        self.meet(at_most, |seen| seen.live.is_some()).await
    }

    /// How many have ended up to now, and how many of these say that it was for `reason`.
    #[must_use]
    pub fn closed(&self, reason: &str) -> (usize, usize) {
        let seen: Vec<_> = self.0.iter().map(Stream::seen).collect();
        let ended = seen.iter().filter(|seen| seen.ended.is_some()).count();
        let is_it = |seen: &&Seen| {
            let closed = seen.closed.as_deref();
            closed.is_some_and(|closed| closed.contains(reason))
        };
        (ended, seen.iter().filter(is_it).count())
    }

    /// How long after `since` those that are live became so.
    #[must_use]
    pub fn live_after(&self, since: Instant) -> Times {
        let live = self.0.iter().filter_map(|stream| stream.seen().live);
        live.map(|at| at.saturating_duration_since(since)).collect()
    }

    /// How long after `since` those that have ended did so.
    #[must_use]
    pub fn ended_after(&self, since: Instant) -> Times {
        let ended = self.0.iter().filter_map(|stream| stream.seen().ended);
        ended
            .map(|at| at.saturating_duration_since(since))
            .collect()
    }

    /// What went wrong first, for people.
    #[must_use]
    pub fn first_failure(&self) -> Option<String> {
        self.0.iter().find_map(|stream| stream.seen().failed)
    }
}

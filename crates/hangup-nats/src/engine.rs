//! The engine, and what its three parts share.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::StreamExt;
use hangup_cluster::engine::EngineError;

use crate::life::{self, Life};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::streams::Kind;

/// NATS JetStream as an engine. Cheap to clone: all clones share one connection.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use hangup_cluster::Cluster;
/// use hangup_nats::Nats;
///
/// let engine = Nats::builder("nats://127.0.0.1:4222").replicas(3).connect().await?;
/// let cluster = Cluster::builder(engine)
///     .node("a")
///     .lease(Duration::from_secs(15))
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Nats {
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) settings: Arc<Settings>,
    lives: Arc<Mutex<Lives>>,
    seen: Arc<Seen>,
    /// Where the log begins.
    begin: Arc<Shared<Option<(Life, u64)>>>,
    /// Ends a doubt about a write.
    pub(crate) fence: Arc<Shared<()>>,
}

/// The lives that were adopted.
#[derive(Debug, Default)]
struct Lives {
    records: Option<Life>,
    log: Option<Life>,
    /// Those of streams that were emptied: one that has got as many writes again would pass.
    emptied: Vec<Life>,
}

/// The highest sequence of each stream that this node knows of.
#[derive(Debug, Default)]
struct Seen {
    records: AtomicU64,
    log: AtomicU64,
}

impl Seen {
    fn of(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Records => &self.records,
            Kind::Log => &self.log,
        }
    }
}

/// How many bytes of the largest message are left for headers.
const HEADERS: usize = 1024;
/// Between two looks whether the client is connected, and whether a stream has its leader.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

impl Nats {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(settings.timeout);
        Self {
            client,
            context,
            settings: Arc::new(settings),
            lives: Arc::default(),
            seen: Arc::default(),
            begin: Arc::new(Shared::new()),
            fence: Arc::new(Shared::new()),
        }
    }

    pub(crate) fn stream(&self, kind: Kind) -> String {
        kind.stream(&self.settings.prefix)
    }

    pub(crate) fn subject(&self, life: Life, kind: Kind, name: &str) -> String {
        life.subject(&self.settings.prefix, kind, name)
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the present life of a stream for the one that all further calls are about.
    pub(crate) async fn adopt_stream(&self, kind: Kind) -> Result<Life, EngineError> {
        let seen = self.seen(kind);
        self.connected().await;
        let adopting = life::adopt(&self.context, &self.settings, kind, seen);
        let (life, last) = adopting.await?;
        let mut lives = self.lives();
        if lives.emptied.contains(&life) {
            return Err(life::emptied(&self.stream(kind)));
        }
        self.saw(kind, last);
        match kind {
            Kind::Records => lives.records = Some(life),
            Kind::Log => lives.log = Some(life),
        }
        Ok(life)
    }

    /// The life of the records. Before they are adopted there is none.
    pub(crate) fn records(&self) -> Result<Life, EngineError> {
        self.lives().records.ok_or(EngineError::Forgotten)
    }

    /// The life of the log, which may be used alone: then the first call adopts it.
    pub(crate) async fn log(&self) -> Result<Life, EngineError> {
        let adopted = self.lives().log;
        match adopted {
            Some(life) => Ok(life),
            None => self.adopt_stream(Kind::Log).await,
        }
    }

    /// Lets the next call adopt the life that the log has now, since this one has ended. The log
    /// follows the records, and is forgotten if they are: if it alone was lost, or it is used
    /// alone, its cursors tell it.
    pub(crate) async fn follow(&self, ended: Life) -> Result<(), EngineError> {
        let records = self.lives().records;
        if let Some(records) = records {
            self.info(Kind::Records, records).await?;
        }
        let mut lives = self.lives();
        if lives.emptied.contains(&ended) {
            return Err(EngineError::Forgotten);
        }
        if lives.log == Some(ended) {
            lives.log = None;
        }
        Ok(())
    }

    /// What the server says of a stream that is in this life.
    pub(crate) async fn info(&self, kind: Kind, life: Life) -> Result<Info, EngineError> {
        self.connected().await;
        match life::look(&self.context, &self.settings, kind).await? {
            Some((present, info)) if present == life => Ok(info),
            Some(_) | None => Err(EngineError::Forgotten),
        }
    }

    /// The highest sequence that this node knows of.
    pub(crate) fn seen(&self, kind: Kind) -> u64 {
        self.seen.of(kind).load(Ordering::Relaxed)
    }

    /// A stream was emptied, and has kept its name and its life.
    pub(crate) fn was_emptied(&self, life: Life) {
        let mut lives = self.lives();
        if !lives.emptied.contains(&life) {
            lives.emptied.push(life);
        }
    }

    /// Whether there are other servers, which streams may be kept on.
    pub(crate) fn is_clustered(&self) -> bool {
        self.client.server_info().cluster.is_some()
    }

    /// The last sequence of the log that was not there any more after this was called. All readers
    /// ask together.
    pub(crate) async fn before_log(&self, life: Life) -> Result<u64, EngineError> {
        let look = || async {
            let look = life::look(&self.context, &self.settings, Kind::Log);
            let found = self.in_time(look).await?;
            Ok(found.map(|(life, info)| (life, before_first(&info))))
        };
        match self.begin.ask(look).await? {
            Some((present, before)) if present == life => Ok(before),
            Some(_) | None => Err(EngineError::Forgotten),
        }
    }

    /// There is such a sequence: what is written from now on has a higher one.
    pub(crate) fn saw(&self, kind: Kind, sequence: u64) {
        self.seen.of(kind).fetch_max(sequence, Ordering::Relaxed);
    }

    /// Whether a payload of this size may be sent.
    pub(crate) fn fits(&self, size: usize) -> Result<(), EngineError> {
        let limit = self.limit();
        match size <= limit {
            true => Ok(()),
            false => Err(EngineError::TooLarge { size, limit }),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS)
    }

    /// Waits for the connection. What is given to a client that is not connected is sent when it
    /// is, at any later time: so a call that has not found its connection in time leaves nothing.
    pub(crate) async fn connected(&self) {
        while self.client.connection_state() != State::Connected {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns when the server has taken all that was sent before.
    pub(crate) async fn settle(&self) -> Result<(), EngineError> {
        // Where this user may publish and listen, and no inbox is.
        let random = life::random()?;
        let subject = format!("{}.h.$.{random:016x}", self.settings.prefix);
        let echoes = self.client.subscribe(subject.clone()).await;
        let mut echoes = echoes.map_err(EngineError::unknown)?;
        let published = self.client.publish(subject, Bytes::new()).await;
        published.map_err(EngineError::unknown)?;
        let echo = echoes.next().await;
        let ended = || EngineError::unknown("the client has ended");
        echo.map(drop).ok_or_else(ended)
    }

    /// How often the client has connected.
    pub(crate) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// No call takes longer.
    pub(crate) async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(self.settings.timeout, call).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(EngineError::unknown(elapsed)),
        }
    }
}

/// The last sequence that is not there any more.
pub(crate) fn before_first(info: &Info) -> u64 {
    match info.state.messages {
        // Then its first one may be said to be any.
        0 => info.state.last_sequence,
        _ => info.state.first_sequence.saturating_sub(1),
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

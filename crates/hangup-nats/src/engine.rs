//! The engine, and what its three parts share.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Request};
use hangup_cluster::engine::EngineError;
use serde::Deserialize;

use crate::life::{self, Life};
use crate::settings::Settings;

/// NATS JetStream as an engine. Cheap to clone: all clones share one connection.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// /// use hangup_cluster::Cluster;
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
}

/// The lives that were adopted.
#[derive(Debug, Default, Clone, Copy)]
struct Lives {
    records: Option<Life>,
    log: Option<Life>,
}

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Records,
    Log,
}

impl Kind {
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Records => 'r',
            Self::Log => 'l',
        }
    }
}

/// What a JetStream acknowledges a write with.
#[derive(Debug, Deserialize)]
pub(crate) struct Ack {
    #[serde(default)]
    pub(crate) seq: u64,
    pub(crate) error: Option<AckError>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AckError {
    pub(crate) err_code: u64,
    pub(crate) description: String,
}

/// How many bytes of the largest message are left for headers.
const HEADERS: usize = 1024;

impl Nats {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(settings.timeout);
        Self {
            client,
            context,
            settings: Arc::new(settings),
            lives: Arc::default(),
        }
    }

    pub(crate) fn stream(&self, kind: Kind) -> String {
        let name = match kind {
            Kind::Records => "records",
            Kind::Log => "log",
        };
        format!("{}-{name}", self.settings.prefix)
    }

    pub(crate) fn subject(&self, life: Life, kind: Kind, name: &str) -> String {
        life.subject(&self.settings.prefix, kind.letter(), name)
    }

    fn adopted(&self, kind: Kind) -> Option<Life> {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            Kind::Records => lives.records,
            Kind::Log => lives.log,
        }
    }

    /// Takes the present life of a stream for the one that all further calls are about.
    pub(crate) async fn adopt_stream(&self, kind: Kind) -> Result<Life, EngineError> {
        let prefix = &self.settings.prefix;
        let config = self.config(kind);
        let adopting = life::adopt(&self.context, prefix, kind.letter(), config);
        let life = self.in_time(adopting).await?;
        let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            Kind::Records => lives.records = Some(life),
            Kind::Log => lives.log = Some(life),
        }
        Ok(life)
    }

    /// The life of the records. Before they are adopted there is none.
    pub(crate) fn records(&self) -> Result<Life, EngineError> {
        self.adopted(Kind::Records).ok_or(EngineError::Forgotten)
    }

    /// The life of the log, which may be used alone: then the first call adopts it.
    pub(crate) async fn log(&self) -> Result<Life, EngineError> {
        match self.adopted(Kind::Log) {
            Some(life) => Ok(life),
            None => self.adopt_stream(Kind::Log).await,
        }
    }

    fn config(&self, kind: Kind) -> Config {
        let settings = &self.settings;
        let common = Config {
            name: self.stream(kind),
            num_replicas: settings.replicas,
            storage: settings.storage,
            discard: DiscardPolicy::Old,
            max_consumers: -1,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            // Reads go to the leader, which decides the writes.
            allow_direct: false,
            ..Config::default()
        };
        match kind {
            Kind::Records => Config {
                max_messages_per_subject: 1,
                allow_message_ttl: true,
                ..common
            },
            // The limits are those of the whole stream: so its first sequence tells every hole.
            Kind::Log => Config {
                max_messages: settings.log_items,
                max_bytes: settings.log_bytes,
                max_age: settings.log_age,
                duplicate_window: settings.duplicates.min(settings.log_age),
                ..common
            },
        }
    }

    /// What the server says of a stream that is in this life.
    pub(crate) async fn info(&self, kind: Kind, life: Life) -> Result<Info, EngineError> {
        let name = self.stream(kind);
        match self.in_time(life::look(&self.context, &name)).await? {
            Some((present, info)) if present == life => Ok(info),
            Some(_) | None => Err(EngineError::Forgotten),
        }
    }

    /// Writes, and reads the acknowledgement.
    pub(crate) async fn write(
        &self,
        kind: Kind,
        life: Life,
        name: &str,
        headers: HeaderMap,
        payload: Vec<u8>,
    ) -> Result<Ack, EngineError> {
        let limit = self
            .client
            .server_info()
            .max_payload
            .saturating_sub(HEADERS);
        if payload.len() > limit {
            let size = payload.len();
            return Err(EngineError::TooLarge { size, limit });
        }
        let request = Request::new().headers(headers).payload(payload.into());
        let subject = self.subject(life, kind, name);
        let written = self.client.send_request(subject, request);
        // A client that reconnects holds requests back.
        let answer = match tokio::time::timeout(self.settings.timeout, written).await {
            Ok(answer) => answer,
            Err(elapsed) => return Err(EngineError::unknown(elapsed)),
        };
        match answer {
            Ok(message) => serde_json::from_slice(&message.payload).map_err(EngineError::unknown),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                // There is no stream with this subject: a server that begins, or another life.
                self.info(kind, life).await?;
                Err(EngineError::unknown(error))
            }
            Err(error) => Err(EngineError::unknown(error)),
        }
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

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

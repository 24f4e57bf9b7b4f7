//! The engine, and what it is built from.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hangup_cluster::engine::{EngineError, MAX_NAME};
use redis::{Client, IntoConnectionInfo, RedisError, Value};

use crate::hub::Hub;
use crate::link::Link;
use crate::script::{Call, LOAD, Script};

/// The most bytes of a value, a hint or an item.
pub const MAX_VALUE: usize = 16 << 20;

/// Redis or Valkey as an engine: records, hints, and a log.
///
/// Clones share their connections, and the adopted incarnation. An engine has at most two
/// connections, whatever number of records, inboxes and topics it serves: one for all calls, and
/// one that listens, as long as there is something to listen to. They are made when they are
/// needed and made anew when they are lost.
///
/// All methods need a tokio runtime, and answer within the [timeout](Builder::timeout); `read`
/// within two of them.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use hangup_cluster::engine::{Claims, Swapped};
/// use hangup_redis::Redis;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = Redis::connect("redis://127.0.0.1/").await?;
/// redis.adopt().await?;
/// let lease = Some(Duration::from_secs(15));
/// if let Swapped::Done(revision) = redis.swap("node-a", None, b"up".to_vec(), lease).await? {
///     println!("the lease is ours, with the fence {revision}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    link: Arc<Link>,
    hub: Hub,
    prefix: String,
    kept: Kept,
    adopted: RwLock<Option<Arc<Adopted>>>,
}

/// What was adopted.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) life: Life,
    /// The process of the server that the life ends with, or that which stands for all.
    pub(crate) process: String,
}

/// What is kept of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) items: usize,
    pub(crate) age: Duration,
    pub(crate) ids: Duration,
}

impl Redis {
    /// Connects to the server at `url`, with the options of [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// See [`Builder::connect`].
    ///
    /// # Cancel safety
    ///
    /// The connection that is being made is closed.
    pub async fn connect(url: impl IntoConnectionInfo) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// An engine at `url`: a `redis://`, `rediss://`, `valkey://` or `unix://` URL, or a
    /// [`ConnectionInfo`](redis::ConnectionInfo), with credentials if it needs them.
    ///
    /// TLS needs a TLS feature of the crate `redis`, for example `tokio-rustls-comp`.
    pub fn builder(url: impl IntoConnectionInfo) -> Builder {
        Builder::new(Client::open(url))
    }

    /// An engine at the server of `client`, which may carry certificates.
    pub fn with_client(client: Client) -> Builder {
        Builder::new(Ok(client))
    }

    /// Asks for a record in no life: whether the server lets this run its scripts.
    async fn ask(&self) -> Result<(), EngineError> {
        let keys = [self.incarnation_key(), self.key(format_args!("r:"))];
        let keys = keys.each_ref().map(String::as_str);
        self.call(None, &LOAD, &keys, &[b""]).await.map(drop)
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    pub(crate) fn kept(&self) -> Kept {
        self.inner.kept
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.inner.link.timeout()
    }

    pub(crate) fn adopted(&self) -> Option<Arc<Adopted>> {
        let adopted = self.inner.adopted.read();
        adopted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_adopted(&self, adopted: Adopted) {
        let mut place = self
            .inner
            .adopted
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::new(adopted));
    }

    /// A key of this engine. All are in one slot of a Redis Cluster.
    pub(crate) fn key(&self, name: fmt::Arguments<'_>) -> String {
        format!("{{{}}}:{name}", self.inner.prefix)
    }

    pub(crate) fn incarnation_key(&self) -> String {
        self.key(format_args!("incarnation"))
    }

    /// Runs a script in the life that was adopted, or in any.
    pub(crate) async fn call(
        &self,
        adopted: Option<&Adopted>,
        script: &'static Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, EngineError> {
        let call = Call {
            script,
            keys,
            arguments,
        };
        let process = adopted.map(|adopted| &*adopted.process);
        self.inner.link.call(call, process).await
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may have a password.
        f.debug_struct("Redis")
            .field("prefix", &self.inner.prefix)
            .field("adopted", &self.adopted())
            .finish_non_exhaustive()
    }
}

/// Options of an engine.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use hangup_redis::Redis;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = Redis::builder("redis://user:secret@127.0.0.1:6379/0")
///     .prefix("shop")
///     .timeout(Duration::from_secs(2))
///     .log_items(50_000)
///     .log_age(Duration::from_secs(3600))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing before `connect` or `build`"]
pub struct Builder {
    client: Result<Client, RedisError>,
    prefix: String,
    timeout: Duration,
    durable: Option<bool>,
    kept: Kept,
}

impl Builder {
    fn new(client: Result<Client, RedisError>) -> Self {
        Self {
            client,
            prefix: "hangup".to_owned(),
            timeout: Duration::from_secs(5),
            durable: None,
            kept: Kept {
                items: 10_000,
                age: Duration::from_secs(24 * 3600),
                ids: Duration::from_secs(120),
            },
        }
    }

    /// What all keys and channels begin with, in braces: `hangup` if it is not set. Engines with
    /// different prefixes see nothing of each other. Those with the same prefix in different
    /// databases of a server share their hints.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call waits for its answer, the connection included: 5 seconds if it is not set,
    /// a millisecond at least, a day at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(Duration::from_millis(1), Duration::from_secs(24 * 3600));
        self
    }

    /// Whether the server still has all that it acknowledged when it comes back after a failure.
    /// If not, each process of it is a life of its own: when another one answers, after a restart
    /// or a fail-over, calls are [`Forgotten`](EngineError::Forgotten).
    ///
    /// If it is not set, the server is asked: it is durable with `appendonly yes` and
    /// `appendfsync always`, and not if it may not be asked for its configuration. Where such a
    /// server has replicas that may take its place, it is for the user to say that it is not.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// How many items a topic keeps, at least one: 10,000 if it is not set.
    pub fn log_items(mut self, items: usize) -> Self {
        self.kept.items = items.max(1);
        self
    }

    /// How long a topic keeps its items when it gets no more: a day if it is not set.
    pub fn log_age(mut self, age: Duration) -> Self {
        self.kept.age = age;
        self
    }

    /// How long the id of an item is remembered, so that the item is not appended twice: 2
    /// minutes if it is not set. Each remembered id takes memory of the server.
    pub fn remember_ids(mut self, time: Duration) -> Self {
        self.kept.ids = time;
        self
    }

    /// The engine, without a connection: the first call makes it.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Client`] or [`ConnectError::Prefix`].
    pub fn build(self) -> Result<Redis, ConnectError> {
        let prefix = self.prefix;
        if prefix.is_empty() || prefix.len() > MAX_NAME || prefix.contains(['{', '}']) {
            return Err(ConnectError::Prefix(prefix));
        }
        let link = Arc::new(Link::new(self.client?, self.timeout, self.durable));
        Ok(Redis {
            inner: Arc::new(Inner {
                hub: Hub::new(Arc::clone(&link)),
                link,
                prefix,
                kept: self.kept,
                adopted: RwLock::default(),
            }),
        })
    }

    /// The engine, once the server has run a script for it, which changes nothing.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], also if the server does not answer, is a replica, or does not permit it.
    ///
    /// # Cancel safety
    ///
    /// The connection that is being made is closed.
    pub async fn connect(self) -> Result<Redis, ConnectError> {
        let redis = self.build()?;
        redis.ask().await.map_err(ConnectError::Unreachable)?;
        Ok(redis)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may have a password.
        f.debug_struct("Builder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("durable", &self.durable)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// An engine cannot be built or connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none, or needs a feature of the crate `redis`.
    #[error("not an address of a server: {0}")]
    Client(#[from] RedisError),
    /// A prefix is not empty, has at most [`MAX_NAME`] bytes and no braces.
    #[error("not a prefix of keys: {0:?}")]
    Prefix(String),
    /// The server cannot be reached, or does not serve as an engine.
    #[error("the server does not serve: {0}")]
    Unreachable(#[source] EngineError),
}

/// What marks a life of the store, as it is stored: it ends when the store forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) u64);

impl Life {
    pub(crate) fn random() -> Result<Self, EngineError> {
        let number = getrandom::u64().map_err(|error| EngineError::unknown(error.to_string()))?;
        // Zero stands for none.
        Ok(Self(number.max(1)))
    }

    pub(crate) fn parse(stored: &str) -> Option<Self> {
        // As it is printed, which scripts compare with.
        let life = Self(u64::from_str_radix(stored, 16).ok()?);
        (life.0 != 0 && life.to_string() == stored).then_some(life)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

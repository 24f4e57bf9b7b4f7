//! How the engine is set up.

use std::fmt;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use hangup_cluster::engine::EngineError;

use crate::engine::Nats;
use crate::settings::Settings;

/// Builds a [`Nats`]. Made by [`Nats::builder`].
#[must_use = "a builder does nothing until it connects"]
pub struct NatsBuilder {
    url: String,
    options: ConnectOptions,
    settings: Settings,
}

/// Between two questions whether the server is there. The third without an answer ends the
/// connection.
const PING: Duration = Duration::from_secs(2);

/// The fewest items that a log keeps: a reader that is connected is never behind by as many.
pub const MIN_LOG_ITEMS: u32 = 1000;

impl Nats {
    /// Connects to a server, or to several whose URLs have commas between.
    ///
    /// # Errors
    ///
    /// As [`NatsBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, EngineError> {
        Self::builder(url).connect().await
    }

    /// A builder of an engine on this server, or on several whose URLs have commas between.
    pub fn builder(url: impl Into<String>) -> NatsBuilder {
        NatsBuilder::new(url.into())
    }
}

impl NatsBuilder {
    fn new(url: String) -> Self {
        Self {
            url,
            options: ConnectOptions::new().ping_interval(PING),
            settings: Settings::default(),
        }
    }

    /// The client's own options: credentials, TLS, names. Credentials are taken from here alone. Its timeout of requests is replaced by
    /// [that of the engine](Self::timeout).
    ///
    /// Without them, the connection is given up after three pings without an answer, of which one is
    /// sent each two seconds. The client's own default is a minute, so set
    /// [`ConnectOptions::ping_interval`] as well: until a connection that is cut off is given up,
    /// nothing is asked of another server.
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// What the names of all streams and subjects begin with: up to a hundred letters, digits, `-`
    /// and `_`. It is `hangup`, unless it is said. Clusters that share a server have different ones.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// On how many servers each write is kept before it is acknowledged: one, unless it is said.
    /// It counts when the streams are made.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.settings.replicas = replicas;
        self
    }

    /// The time after which a call that got no answer is
    /// [unknown](EngineError::Unknown): five seconds, unless it is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How many items the log keeps, of all topics together: a million, unless it is said, and no
    /// fewer than [`MIN_LOG_ITEMS`].
    pub fn log_items(mut self, items: u32) -> Self {
        self.settings.log_items = items.max(MIN_LOG_ITEMS).into();
        self
    }

    /// How many bytes the log keeps, of all topics together: a gibibyte, unless it is said.
    pub fn log_bytes(mut self, bytes: u32) -> Self {
        self.settings.log_bytes = bytes.into();
        self
    }

    /// How long the log keeps an item: a day, unless it is said.
    pub fn log_age(mut self, age: Duration) -> Self {
        self.settings.log_age = age;
        self
    }

    /// For how long the server remembers the ids of what was published, so that what is published
    /// again after an unknown outcome is there once: two minutes, unless it is said.
    pub fn duplicates(mut self, window: Duration) -> Self {
        self.settings.duplicates = window;
        self
    }

    /// Connects. The streams are made when a node [adopts](hangup_cluster::engine::Claims::adopt)
    /// the engine.
    ///
    /// # Errors
    ///
    /// [`EngineError::Unknown`] if the server is not there, lets this client not in, or its version
    /// is below 2.11; for a prefix that cannot be part of a name; and for credentials in the URL.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, nothing was written.
    pub async fn connect(self) -> Result<Nats, EngineError> {
        let Self {
            url,
            options,
            settings,
        } = self;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let prefix = &settings.prefix;
        if !(1..=100).contains(&prefix.len()) || !prefix.bytes().all(plain) {
            return Err(EngineError::unknown(
                "a prefix has up to a hundred letters, digits, `-` and `_`",
            ));
        }
        let options = options.request_timeout(Some(settings.timeout));
        let servers: Result<Vec<ServerAddr>, _> = url.split(',').map(str::parse).collect();
        let servers = servers.map_err(EngineError::unknown)?;
        // The client would ignore them.
        if servers.iter().any(ServerAddr::has_user_pass) {
            return Err(EngineError::unknown(
                "credentials are given by `options`, and not in the URL",
            ));
        }
        let connecting = options.connect(servers);
        let client = match tokio::time::timeout(settings.timeout, connecting).await {
            Ok(client) => client.map_err(EngineError::unknown)?,
            Err(elapsed) => return Err(EngineError::unknown(elapsed)),
        };
        let version = client.server_info().version;
        if !client.is_server_compatible(2, 11, 0) {
            let words = format!("the server is {version}, and 2.11 is needed for times to live");
            return Err(EngineError::unknown(words));
        }
        Ok(Nats::new(client, settings))
    }
}

impl fmt::Debug for NatsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

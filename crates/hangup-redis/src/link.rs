//! The connection that all calls share, and that is made anew when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hangup_cluster::engine::EngineError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::script::Call;
use crate::server::Server;

/// A call had no answer in time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("none within {0:?}")]
pub(crate) struct Late(Duration);

pub(crate) struct Link {
    client: Client,
    timeout: Duration,
    /// Whether the server loses nothing, if that is not to be asked.
    durable: Option<bool>,
    current: Mutex<Current>,
    /// How often another process than before was found to be the server.
    moves: watch::Sender<u64>,
    /// Held while a connection is made, so that one is made at a time.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connected>,
    /// That of the connection, or of the last one.
    number: u64,
    server: Option<Arc<Server>>,
}

#[derive(Clone)]
struct Connected {
    number: u64,
    server: Arc<Server>,
    connection: MultiplexedConnection,
}

/// Why there is no answer.
enum Failed {
    Forgotten,
    Redis(RedisError),
}

impl From<RedisError> for Failed {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl Link {
    pub(crate) fn new(client: Client, timeout: Duration, durable: Option<bool>) -> Self {
        Self {
            client,
            timeout,
            durable,
            current: Mutex::default(),
            moves: watch::Sender::new(0),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs a script: [`EngineError::Unknown`] if there is no answer within the timeout, and
    /// [`EngineError::Forgotten`] if the life that `process` began has ended with it.
    pub(crate) async fn call(
        &self,
        call: Call<'_>,
        process: Option<&str>,
    ) -> Result<Value, EngineError> {
        let mut used = 0;
        match timeout(self.timeout, self.attempts(call, process, &mut used)).await {
            Ok(answer) => answer.map_err(|failed| match failed {
                Failed::Forgotten => EngineError::Forgotten,
                Failed::Redis(error) => EngineError::unknown(error),
            }),
            Err(_) => {
                // A connection whose other end is gone says nothing for a quarter of an hour.
                self.discard(used);
                Err(self.late())
            }
        }
    }

    /// Connects, and returns what changes when the address leads to another server than now.
    pub(crate) async fn ready(&self) -> RedisResult<watch::Receiver<u64>> {
        self.connected().await?;
        Ok(self.moves.subscribe())
    }

    pub(crate) fn late(&self) -> EngineError {
        EngineError::unknown(Late(self.timeout))
    }

    /// Makes the next call on another connection. Calls under way keep theirs.
    pub(crate) fn discard_current(&self) {
        self.current().connection = None;
    }

    async fn attempts(
        &self,
        call: Call<'_>,
        process: Option<&str>,
        used: &mut u64,
    ) -> Result<Value, Failed> {
        match self.attempt(call, process, used).await {
            // The connection was lost in between, or before: it is told only now.
            Err(Failed::Redis(error)) if call.script.repeatable && is_lost(&error) => {
                self.attempt(call, process, used).await
            }
            answer => answer,
        }
    }

    async fn attempt(
        &self,
        call: Call<'_>,
        process: Option<&str>,
        used: &mut u64,
    ) -> Result<Value, Failed> {
        let Connected {
            number,
            server,
            mut connection,
        } = self.connected().await?;
        *used = number;
        if process.is_some_and(|process| !server.continues(process)) {
            return Err(Failed::Forgotten);
        }
        let mut answer = call.by_hash(&server).query_async(&mut connection).await;
        if answer.as_ref().is_err_and(is_unknown_script) {
            answer = call.by_source(&server).query_async(&mut connection).await;
        }
        if answer.as_ref().is_err_and(is_spent) {
            self.discard(number);
        }
        Ok(answer?)
    }

    async fn connected(&self) -> RedisResult<Connected> {
        if let Some(found) = self.found() {
            return Ok(found);
        }
        let _one = self.connecting.lock().await;
        if let Some(found) = self.found() {
            return Ok(found);
        }
        // Calls have their own timeout, which the whole of a call counts for.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(self.timeout));
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let server = Arc::new(Server::of(&mut connection, self.durable).await?);
        let mut current = self.current();
        current.number += 1;
        let connected = Connected {
            number: current.number,
            server: Arc::clone(&server),
            connection,
        };
        current.connection = Some(connected.clone());
        let before = current.server.replace(Arc::clone(&server));
        drop(current);
        if before.is_some_and(|before| before.process() != server.process()) {
            self.moves.send_modify(|moves| *moves += 1);
        }
        Ok(connected)
    }

    fn found(&self) -> Option<Connected> {
        self.current().connection.clone()
    }

    fn discard(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.connection = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection ended before there was an answer.
fn is_lost(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the next call is better off with another connection: also if the server says that it
/// is not the primary any more, since the same address may lead to the new one.
fn is_spent(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown
        ),
        ErrorKind::Extension => false,
        _ => true,
    }
}

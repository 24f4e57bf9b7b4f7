//! The connection that all calls share, and that is made anew when it is lost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hangup_cluster::engine::EngineError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::time::timeout;

use crate::script::Call;

/// A call had no answer in time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("none within {0:?}")]
pub(crate) struct Late(Duration);

pub(crate) struct Link {
    client: Client,
    timeout: Duration,
    current: Mutex<Current>,
    /// Held while a connection is made, so that one is made at a time.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// That of the connection, or of the last one.
    number: u64,
}

impl Link {
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs a script: [`EngineError::Unknown`] if there is no answer within the timeout.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Value, EngineError> {
        let mut used = 0;
        match timeout(self.timeout, self.attempts(call, &mut used)).await {
            Ok(answer) => answer.map_err(EngineError::unknown),
            Err(_) => {
                // A connection whose other end is gone says nothing for a quarter of an hour.
                self.discard(used);
                Err(self.late())
            }
        }
    }

    pub(crate) fn late(&self) -> EngineError {
        EngineError::unknown(Late(self.timeout))
    }

    /// Makes the next call on another connection. Calls under way keep theirs.
    pub(crate) fn discard_current(&self) {
        self.current().connection = None;
    }

    async fn attempts(&self, call: Call<'_>, used: &mut u64) -> RedisResult<Value> {
        match self.attempt(call, used).await {
            // The connection was lost in between, or before: it is told only now.
            Err(error) if call.script.repeatable && is_lost(&error) => {
                self.attempt(call, used).await
            }
            answer => answer,
        }
    }

    async fn attempt(&self, call: Call<'_>, used: &mut u64) -> RedisResult<Value> {
        let (number, mut connection) = self.connection().await?;
        *used = number;
        let mut answer = call.by_hash().query_async(&mut connection).await;
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            answer = call.by_source().query_async(&mut connection).await;
        }
        if answer.as_ref().is_err_and(is_spent) {
            self.discard(number);
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
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
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut current = self.current();
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((current.number, connection))
    }

    fn found(&self) -> Option<(u64, MultiplexedConnection)> {
        let current = self.current();
        current
            .connection
            .clone()
            .map(|connection| (current.number, connection))
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

//! What a server is, as its connection tells.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult};

/// The process of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    process: String,
    durable: bool,
}

/// What stands for every process that loses nothing.
const ANY: &str = "*";

impl Server {
    /// Asks the server. Whether it loses nothing is asked unless it is known.
    pub(crate) async fn of(
        connection: &mut MultiplexedConnection,
        durable: Option<bool>,
    ) -> RedisResult<Self> {
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(connection)
            .await?;
        let mut lines = info.lines();
        let process = lines.find_map(|line| line.strip_prefix("run_id:"));
        let process = process.ok_or_else(|| {
            RedisError::from((ErrorKind::UnexpectedReturnType, "a server without a run_id"))
        })?;
        Ok(Self {
            process: process.to_owned(),
            durable: match durable {
                Some(durable) => durable,
                None => syncs_each_write(connection).await?,
            },
        })
    }

    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    /// As the scripts take it.
    pub(crate) fn durable(&self) -> &'static str {
        if self.durable { ANY } else { "" }
    }

    /// Whether a life that `process` began goes on here.
    pub(crate) fn continues(&self, process: &str) -> bool {
        process == self.process || process == ANY && self.durable
    }
}

async fn syncs_each_write(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let mut ask = redis::cmd("CONFIG");
    let options: RedisResult<Vec<(String, String)>> =
        ask.arg("GET").arg("append*").query_async(connection).await;
    match options {
        Ok(options) => {
            let is = |option: &str, value: &str| {
                options
                    .iter()
                    .any(|(name, is)| name == option && is == value)
            };
            Ok(is("appendonly", "yes") && is("appendfsync", "always"))
        }
        // It may not be asked.
        Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_life_goes_on_in_its_process_or_where_nothing_is_lost() {
        let server = |durable| Server {
            process: "a".to_owned(),
            durable,
        };
        for (durable, process, goes_on) in [
            (false, "a", true),
            (true, "a", true),
            (false, "b", false),
            // A life that may have lost something before is not saved by the next process.
            (true, "b", false),
            (true, "*", true),
            (false, "*", false),
        ] {
            assert_eq!(
                server(durable).continues(process),
                goes_on,
                "{durable} {process}"
            );
        }
    }
}

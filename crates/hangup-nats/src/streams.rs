//! The two streams: how they are made, and what they must not have become since.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use hangup_cluster::engine::EngineError;

use crate::settings::Settings;

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

    pub(crate) fn stream(self, prefix: &str) -> String {
        match self {
            Self::Records => format!("{prefix}-records"),
            Self::Log => format!("{prefix}-log"),
        }
    }

    /// The stream as it is made, but for what tells its life.
    pub(crate) fn config(self, settings: &Settings) -> Config {
        let common = Config {
            name: self.stream(&settings.prefix),
            num_replicas: settings.replicas,
            discard: DiscardPolicy::Old,
            max_consumers: -1,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            // Reads go to the leader, which decides the writes.
            allow_direct: false,
            // What is removed by hand is missing, and nothing tells.
            deny_delete: true,
            deny_purge: true,
            ..Config::default()
        };
        match self {
            Self::Records => Config {
                max_messages_per_subject: 1,
                allow_message_ttl: true,
                ..common
            },
            // The limits are those of the whole stream: so its first sequence tells every hole.
            Self::Log => Config {
                max_messages: settings.log_items,
                max_bytes: settings.log_bytes,
                max_age: settings.log_age,
                duplicate_window: settings.duplicates.min(settings.log_age),
                ..common
            },
        }
    }

    /// Whether what the stream acknowledges is kept as it is promised: its configuration may have
    /// been changed by hand. The limits of the log are free.
    pub(crate) fn check(self, config: &Config) -> Result<(), EngineError> {
        let is_kept = match self {
            Self::Records => {
                let is_unlimited = config.max_messages <= 0 && config.max_bytes <= 0;
                let for_ever = config.max_age == Duration::ZERO;
                let is_one_each = config.max_messages_per_subject == 1;
                is_unlimited && for_ever && is_one_each && config.allow_message_ttl
            }
            Self::Log => config.max_messages_per_subject <= 0,
        };
        match is_kept && config.deny_delete && config.deny_purge {
            true => Ok(()),
            false => {
                let words = format!("the stream {} was changed by hand", config.name);
                Err(EngineError::unknown(words))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Kind;
    use crate::settings::Settings;

    #[test]
    fn a_stream_as_it_is_made_passes_and_one_that_loses_records_does_not() {
        let settings = Settings::default();
        let records = Kind::Records.config(&settings);
        let log = Kind::Log.config(&settings);
        assert!(Kind::Records.check(&records).is_ok());
        assert!(Kind::Log.check(&log).is_ok());
        let changes: [fn(&mut async_nats::jetstream::stream::Config); 7] = [
            |config| config.max_messages = 10,
            |config| config.max_bytes = 10,
            |config| config.max_age = Duration::from_secs(60),
            |config| config.max_messages_per_subject = 5,
            |config| config.allow_message_ttl = false,
            |config| config.deny_delete = false,
            |config| config.deny_purge = false,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = records.clone();
            change(&mut changed);
            assert!(Kind::Records.check(&changed).is_err(), "change {number}");
        }
        let mut changed = log.clone();
        changed.max_messages_per_subject = 5;
        assert!(Kind::Log.check(&changed).is_err());
        changed = log;
        changed.max_messages = 5;
        assert!(Kind::Log.check(&changed).is_ok());
    }
}

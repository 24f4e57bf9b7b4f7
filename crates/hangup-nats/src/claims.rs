//! Records: the last message of each subject of a stream.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use hangup_cluster::engine::{Answer, Claims, EngineError, Record, Revision, Swapped};

use crate::attempts::answered;
use crate::engine::Nats;
use crate::names;
use crate::streams::Kind;

/// The headers by name, since the helper of the client for keys and values drops the time to live
/// of a key that was deleted before, and cannot renew one.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const TTL: &str = "Nats-TTL";

impl Claims for Nats {
    fn adopt(&self) -> Answer<'_, ()> {
        Box::pin(self.in_time(async {
            self.adopt_stream(Kind::Records).await?;
            self.adopt_stream(Kind::Log).await?;
            Ok(())
        }))
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(self.in_time(async {
            names::check(name)?;
            let life = self.records()?;
            let subject = self.subject(life, Kind::Records, name);
            let stream = self.stream(Kind::Records);
            self.connected().await;
            let stream = self.context.get_stream_no_info(stream).await;
            let stream = stream.map_err(EngineError::unknown)?;
            let load = || stream.get_last_raw_message_by_subject(&subject);
            let loaded = answered(self.settings.attempt(), load).await;
            let error = match loaded {
                Ok(message) => {
                    self.saw(Kind::Records, message.sequence);
                    return Ok(Some(Record {
                        revision: Revision(message.sequence),
                        value: message.payload.into(),
                    }));
                }
                Err(error) => error,
            };
            match error.kind() {
                // The stream may be another one, which has nothing of these subjects.
                LastRawMessageErrorKind::NoMessageFound => {
                    self.info(Kind::Records, life).await?;
                    Ok(None)
                }
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Err(EngineError::Forgotten)
                }
                _ => Err(EngineError::unknown(error)),
            }
        }))
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(self.in_time(async move {
            names::check(name)?;
            let life = self.records()?;
            // To the server, a subject without a message has this sequence.
            if expected == Some(Revision(0)) {
                return Ok(Swapped::Conflict);
            }
            let mut headers = HeaderMap::new();
            let expected = expected.map_or(0, |revision| revision.0);
            headers.insert(EXPECTED, expected.to_string());
            if let Some(ttl) = ttl {
                headers.insert(TTL, format!("{}s", whole_seconds(ttl)));
            }
            let written = self.write(Kind::Records, life, name, headers, value.into());
            match written.await? {
                Ok(sequence) => Ok(Swapped::Done(Revision(sequence))),
                Err(error) if error.is_conflict() => Ok(Swapped::Conflict),
                Err(error) => Err(EngineError::unknown(error.description)),
            }
        }))
    }
}

/// As many seconds as the server's clock can still count from any moment of this century.
const MAX_TTL: u64 = 100 * 365 * 24 * 3600;

/// The server counts whole seconds, at least one.
fn whole_seconds(ttl: Duration) -> u64 {
    let begun = u64::from(ttl.subsec_nanos() > 0);
    ttl.as_secs().saturating_add(begun).clamp(1, MAX_TTL)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_TTL, whole_seconds};

    #[test]
    fn a_time_to_live_is_rounded_up() {
        let table = [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (15_000, 15)];
        for (millis, seconds) in table {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), MAX_TTL);
    }
}

//! Records: the last message of each subject of a stream.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use hangup_cluster::engine::{Answer, Claims, EngineError, Record, Revision, Swapped};

use crate::engine::{Kind, Nats};
use crate::names;

/// The headers by name, since the helper of the client for keys and values drops the time to live
/// of a key that was deleted before, and cannot renew one.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const TTL: &str = "Nats-TTL";

impl Claims for Nats {
    fn adopt(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.adopt_stream(Kind::Records).await?;
            self.adopt_stream(Kind::Log).await?;
            Ok(())
        })
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async {
            names::check(name)?;
            let life = self.records()?;
            let subject = self.subject(life, Kind::Records, name);
            let stream = self.stream(Kind::Records);
            let loading = async {
                let stream = self.context.get_stream_no_info(stream).await;
                let stream = stream.map_err(EngineError::unknown)?;
                Ok(stream.get_last_raw_message_by_subject(&subject).await)
            };
            let error = match self.in_time(loading).await? {
                Ok(message) => {
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
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(async move {
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
            let ack = self
                .write(Kind::Records, life, name, headers, value)
                .await?;
            match ack.error {
                None => Ok(Swapped::Done(Revision(ack.seq))),
                Some(error) if is_conflict(error.err_code) => Ok(Swapped::Conflict),
                Some(error) => Err(EngineError::unknown(error.description)),
            }
        })
    }
}

/// The server counts whole seconds, at least one.
fn whole_seconds(ttl: Duration) -> u64 {
    let begun = u64::from(ttl.subsec_nanos() > 0);
    ttl.as_secs().saturating_add(begun).max(1)
}

fn is_conflict(code: u64) -> bool {
    [
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
    ]
    .iter()
    .any(|known| known.0 == code)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::whole_seconds;

    #[test]
    fn a_time_to_live_is_rounded_up() {
        let table = [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (15_000, 15)];
        for (millis, seconds) in table {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}

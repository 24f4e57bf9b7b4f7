//! One life of a stream: from its creation to the loss of its data.
//!
//! A stream that lost its data is created anew under the same name, and must not be taken for the
//! one before. So each life has a random number, which is in the stream's metadata and in its
//! subjects: what is written to the subjects of an earlier life finds no stream and has no effect.
//! And its sequence begins at the wall clock, in microseconds, so that it is above those of the
//! lives before, which had fewer than a million writes a second.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{Context, ErrorCode};
use hangup_cluster::engine::EngineError;

use crate::attempts::answered;
use crate::settings::Settings;
use crate::streams::Kind;

/// The number of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) u64);

const METADATA: &str = "hangup-incarnation";

impl Life {
    fn of(info: &Info) -> Result<Self, EngineError> {
        let number = info.config.metadata.get(METADATA);
        let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        number.map(Self).ok_or_else(|| {
            let words = format!("the stream {} is not one of hangup", info.config.name);
            EngineError::unknown(words)
        })
    }

    /// The subject of `name` in this life.
    pub(crate) fn subject(self, prefix: &str, kind: Kind, name: &str) -> String {
        format!("{prefix}.{}.{:016x}.{name}", kind.letter(), self.0)
    }
}

/// What the server says of a stream: `None` if there is none.
pub(crate) async fn look(
    context: &Context,
    settings: &Settings,
    kind: Kind,
) -> Result<Option<(Life, Info)>, EngineError> {
    let name = kind.stream(&settings.prefix);
    match answered(settings.attempt(), || context.get_stream(&name)).await {
        Ok(stream) => {
            let info = stream.cached_info().clone();
            Ok(Some((Life::of(&info)?, info)))
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            _ => Err(EngineError::unknown(error)),
        },
    }
}

/// The present life of a stream and its last sequence. It is created if there is none. `seen` is the highest sequence
/// that this node knows of, in any life.
pub(crate) async fn adopt(
    context: &Context,
    settings: &Settings,
    kind: Kind,
    seen: u64,
) -> Result<(Life, u64), EngineError> {
    let made = kind.config(settings);
    loop {
        if let Some((life, info)) = look(context, settings, kind).await? {
            kind.check(&info.config)?;
            // The servers know what the stream is, and not what was in it: one that comes back
            // without its disk makes it anew as it was called. Sequences would run backwards.
            if info.state.last_sequence < seen {
                return Err(emptied(&made.name));
            }
            return Ok((life, info.state.last_sequence));
        }
        let life = Life(random()?);
        let config = Config {
            subjects: vec![life.subject(&settings.prefix, kind, ">")],
            metadata: HashMap::from([(METADATA.to_owned(), format!("{:016x}", life.0))]),
            first_sequence: Some(now()?.max(seen + 1)),
            ..made.clone()
        };
        let create = || context.create_stream(config.clone());
        match answered(settings.attempt(), create).await {
            // What the server says of it is looked at.
            Ok(_) => {}
            Err(error) => match error.kind() {
                // Another node was first.
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NAME_EXIST => {}
                _ => return Err(EngineError::unknown(error)),
            },
        }
    }
}

pub(crate) fn emptied(stream: &str) -> EngineError {
    EngineError::unknown(format!("the stream {stream} was emptied: remove it"))
}

/// A number that nothing else has.
pub(crate) fn random() -> Result<u64, EngineError> {
    getrandom::u64().map_err(|error| EngineError::unknown(error.to_string()))
}

fn now() -> Result<u64, EngineError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(EngineError::unknown)?.as_micros();
    u64::try_from(now).map_err(EngineError::unknown)
}

//! What the scripts answer.

use hangup_cluster::engine::EngineError;
use redis::Value;

use crate::engine::Life;

/// A script answered something else than it does.
#[derive(Debug, thiserror::Error)]
#[error("an answer that is none of this script: {0}")]
struct Strange(String);

pub(crate) fn strange(answer: &Value) -> EngineError {
    let mut shown = format!("{answer:?}");
    if let Some((end, _)) = shown.char_indices().nth(200) {
        shown.truncate(end);
    }
    EngineError::unknown(Strange(shown))
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, EngineError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        value => Err(strange(&value)),
    }
}

pub(crate) fn number(value: &Value) -> Result<u64, EngineError> {
    text(value)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| strange(value))
}

pub(crate) fn life(value: &Value) -> Result<Life, EngineError> {
    text(value)
        .and_then(Life::parse)
        .ok_or_else(|| strange(value))
}

pub(crate) fn array<const N: usize>(value: Value) -> Result<[Value; N], EngineError> {
    match value {
        Value::Array(values) => values
            .try_into()
            .map_err(|values| strange(&Value::Array(values))),
        value => Err(strange(&value)),
    }
}

/// The number of an entry of a stream, whose id is `n-0`.
pub(crate) fn entry_number(id: &Value) -> Result<u64, EngineError> {
    text(id)
        .and_then(|text| text.strip_suffix("-0"))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| strange(id))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

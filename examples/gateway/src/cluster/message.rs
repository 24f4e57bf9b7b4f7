//! What the nodes tell each other in topics.

use axum::body::Bytes;
use hangup::topic::{Cursor, SseEvent};

/// An item of a topic, as each node keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// To the streams of an agent: the event as they send it.
    Output(Bytes),
    /// To the streams of an agent: it is deleted.
    Deleted,
    /// To all nodes: this agent may not stream any more.
    Revoked(String),
    /// Of another version.
    Unknown,
}

const OUTPUT: u8 = b'o';
const DELETED: u8 = b'd';
const REVOKED: u8 = b'r';

pub(super) fn output(data: &str) -> Vec<u8> {
    tagged(OUTPUT, data)
}

pub(super) fn deleted() -> Vec<u8> {
    tagged(DELETED, "")
}

pub(super) fn revoked(agent: &str) -> Vec<u8> {
    tagged(REVOKED, agent)
}

fn tagged(tag: u8, text: &str) -> Vec<u8> {
    let mut item = Vec::with_capacity(1 + text.len());
    item.push(tag);
    item.extend_from_slice(text.as_bytes());
    item
}

impl Message {
    /// Once for each item on each node, for all of its streams.
    pub(super) fn decode(cursor: Cursor, item: &[u8]) -> Self {
        let Some((tag, text)) = item.split_first() else {
            return Self::Unknown;
        };
        match (*tag, std::str::from_utf8(text)) {
            (OUTPUT, Ok(data)) => {
                let event = SseEvent::new("output").id(cursor).data(data);
                Self::Output(event.into_bytes())
            }
            (DELETED, Ok("")) => Self::Deleted,
            (REVOKED, Ok(agent)) => Self::Revoked(agent.to_owned()),
            _ => Self::Unknown,
        }
    }
}

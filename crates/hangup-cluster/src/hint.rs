//! What nodes tell each other. All of it may be lost.

use serde::{Deserialize, Serialize};

use crate::record::Seat;

/// A message to the node of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hint {
    /// A newcomer is next: the owner of this seat is to end.
    Wanted { key: String, seat: Seat, by: String },
    /// The seat with this number owns its key now, or has to look again.
    Look { number: u64 },
    /// Someone closes the connection in this seat.
    Close {
        key: String,
        seat: Seat,
        reason: String,
        words: Option<String>,
    },
}

impl Hint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has no maps with keys that are no text")
    }

    /// `None` for what another version says.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

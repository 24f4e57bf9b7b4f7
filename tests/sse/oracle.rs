//! What has to come out, said in the plainest way.

use crate::script::HEARTBEAT;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Whether everything that begins in `stream` also ends there: it is empty, or its last
/// line is blank.
pub(crate) fn is_between_events(stream: &[u8]) -> bool {
    let text = stream.strip_prefix(MARK).unwrap_or(stream);
    // A byte for a character, so that it may end amid one.
    let text: String = text.iter().copied().map(char::from).collect();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.is_empty() || text == "\n" || text.ends_with("\n\n")
}

/// Builds the output alongside.
#[derive(Default)]
pub(crate) struct Output {
    input: Vec<u8>,
    /// Where in the input the heartbeats are.
    heartbeats: Vec<usize>,
}

impl Output {
    pub(crate) fn chunk(&mut self, chunk: &[u8]) {
        self.input.extend(chunk);
    }

    /// A period has passed. Returns whether it has a heartbeat.
    pub(crate) fn quiet(&mut self) -> bool {
        // What may be a mark is left out until it is not.
        let at = if self.heartbeats.contains(&0) && MARK.starts_with(&self.input) {
            0
        } else {
            self.input.len()
        };
        let due = is_between_events(&self.input[..at]);
        if due {
            self.heartbeats.push(at);
        }
        due
    }

    /// The input with its heartbeats, without an LF that one has parted from its CR, and
    /// without a mark that is no longer the first.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut from = 0;
        for &at in &self.heartbeats {
            bytes.extend(self.input.get(from..at).unwrap_or_default());
            bytes.extend(HEARTBEAT);
            let rest = &self.input[at..];
            let parted = if at == 0 && rest.starts_with(MARK) {
                MARK.len()
            } else if at == 0 && MARK.starts_with(rest) {
                // Not known yet.
                rest.len()
            } else {
                usize::from(self.input[..at].ends_with(b"\r") && rest.starts_with(b"\n"))
            };
            from = from.max(at + parted);
        }
        bytes.extend(&self.input[from..]);
        bytes
    }
}

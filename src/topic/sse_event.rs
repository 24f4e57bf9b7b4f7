//! A server-sent event, encoded.

use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;

use super::cursor::Cursor;

/// A server-sent event. Published on a topic of `Bytes`, it is encoded once for all who
/// subscribe: its `id` is its cursor, so that a client which reconnects sends that as its
/// `Last-Event-ID`.
///
/// A line break in a field cannot begin another field: in [`data`](Self::data) it begins another
/// line of the data, elsewhere it is a space.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hangup::topic::SseEvent;
///
/// let event = SseEvent::new("closed").data("bye\nbye").retry(Duration::from_secs(2));
/// let text = "event: closed\ndata: bye\ndata: bye\nretry: 2000\n\n";
/// assert_eq!(event.into_bytes(), text);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an event does nothing until it is published or sent"]
pub struct SseEvent {
    /// The lines so far.
    text: String,
}

const ID: &str = "id: ";

impl SseEvent {
    /// An event of this type, without data. Clients ignore an event that has none: to send one
    /// that says nothing, give it an empty text.
    pub fn new(event: &str) -> Self {
        Self::default().line("event: ", event)
    }

    /// An event of the type `message`, which clients take for granted.
    pub fn message(data: &str) -> Self {
        Self::default().data(data)
    }

    /// A comment, which clients ignore: a heartbeat.
    pub fn heartbeat(comment: &str) -> Self {
        Self::default().line(": ", comment)
    }

    /// Adds data, each line of `text` on a line of its own.
    pub fn data(mut self, text: &str) -> Self {
        let mut rest = text;
        while let Some(end) = rest.find(['\r', '\n']) {
            self = self.line("data: ", &rest[..end]);
            let len = if rest[end..].starts_with("\r\n") {
                2
            } else {
                1
            };
            rest = &rest[end + len..];
        }
        self.line("data: ", rest)
    }

    /// How long a client waits until it reconnects, in whole milliseconds.
    pub fn retry(mut self, after: Duration) -> Self {
        // To write to a string does not fail.
        let _: fmt::Result = writeln!(self.text, "retry: {}", after.as_millis());
        self
    }

    /// [`retry`](Self::retry) at a random time between the two, so that the clients of a server
    /// that shuts down do not come back all at once.
    pub fn retry_between(self, earliest: Duration, latest: Duration) -> Self {
        let random = RandomState::new().hash_one(());
        let spread = latest.saturating_sub(earliest).as_millis();
        let part = (spread.saturating_add(1) * u128::from(random)) >> u64::BITS;
        let part = u64::try_from(part).unwrap_or(u64::MAX);
        self.retry(earliest.saturating_add(Duration::from_millis(part)))
    }

    /// The `id`, for an event that is not published: of a [gap](super::Gap), where the client
    /// [resumes](super::Gap::resume) after it.
    pub fn id(mut self, cursor: Cursor) -> Self {
        let _: fmt::Result = writeln!(self.text, "{ID}{cursor}");
        self
    }

    /// The whole event.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        self.text.push('\n');
        self.text.into()
    }

    /// The whole event, with this cursor for its `id`. It allocates nothing for the text after
    /// [`make_room`](Self::make_room).
    pub(super) fn into_bytes_at(mut self, cursor: Cursor) -> Bytes {
        let _: fmt::Result = write!(self.text, "{ID}{cursor}\n\n");
        self.text.into()
    }

    /// Makes room for the `id`. Returns the most bytes that the whole event has.
    pub(super) fn make_room(&mut self) -> usize {
        let room = ID.len() + Cursor::MAX_LEN + "\n\n".len();
        self.text.reserve_exact(room);
        self.text.len() + room
    }

    fn line(mut self, field: &str, value: &str) -> Self {
        self.text.push_str(field);
        match value.contains(['\r', '\n']) {
            true => self.text.extend(value.chars().map(|char| match char {
                '\r' | '\n' => ' ',
                char => char,
            })),
            false => self.text.push_str(value),
        }
        self.text.push('\n');
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::SseEvent;
    use crate::topic::Cursor;

    #[test]
    fn a_line_break_begins_no_field() {
        let event = SseEvent::new("a\ndata: b").data("one\r\ntwo\rthree\n\nid: 7");
        assert_eq!(
            event.into_bytes(),
            "event: a data: b\ndata: one\ndata: two\ndata: three\ndata: \ndata: id: 7\n\n"
        );
        assert_eq!(SseEvent::heartbeat("\n").into_bytes(), ":  \n\n");
    }

    #[test]
    fn the_id_is_the_cursor_and_fits_into_the_room() {
        let mut event = SseEvent::message("x");
        let size = event.make_room();
        let capacity = event.text.capacity();
        let whole = event.clone().into_bytes_at(Cursor::new(u64::MAX, u64::MAX));
        assert_eq!(
            whole,
            "data: x\nid: ffffffffffffffff-18446744073709551615\n\n"
        );
        assert_eq!(whole.len(), size);
        assert!(capacity >= size);
    }

    #[test]
    fn a_retry_is_between_its_bounds() {
        let retry = |event: SseEvent| {
            let text = String::from_utf8(event.into_bytes().to_vec()).unwrap();
            text.trim()
                .strip_prefix("retry: ")
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let [one, two] = [1, 2].map(Duration::from_secs);
        let drawn: Vec<_> = (0..100)
            .map(|_| retry(SseEvent::default().retry_between(one, two)))
            .collect();
        assert!(drawn.iter().all(|drawn| (1000..=2000).contains(drawn)));
        assert!(drawn.iter().any(|it| *it != drawn[0]));
        assert_eq!(retry(SseEvent::default().retry_between(two, one)), 2000);
    }
}

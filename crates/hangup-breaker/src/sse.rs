//! A client of server-sent events.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use crate::http::{Answer, send};

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its `event`, or nothing.
    pub name: String,
    /// Its `id`, or nothing.
    pub id: String,
    /// Its lines of `data`, joined by line breaks.
    pub data: String,
}

/// A stream of events. The connection ends when this is dropped.
#[derive(Debug)]
pub struct Events {
    answer: Answer,
    parser: Parser,
    parsed: VecDeque<Event>,
}

impl Events {
    /// Asks for the stream at `path`, from behind the event `after` on. `Err` inside is the answer
    /// of a server that refuses.
    ///
    /// # Errors
    ///
    /// As [`send`].
    pub async fn open(
        addr: SocketAddr,
        path: &str,
        after: Option<&str>,
    ) -> io::Result<Result<Self, Answer>> {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(after.map(|id| ("last-event-id", id)));
        let answer = send(addr, "GET", path, &headers, "").await?;
        Ok(match answer.status.is_success() {
            false => Err(answer),
            true => Ok(Self {
                answer,
                parser: Parser::default(),
                parsed: VecDeque::new(),
            }),
        })
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the connection ends in the middle.
    ///
    /// # Cancel safety
    ///
    /// It loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Ok(Some(event));
            }
            match self.answer.bytes().await? {
                None => return Ok(None),
                Some(bytes) => self.parsed.extend(self.parser.feed(&bytes)),
            }
        }
    }
}

/// Makes events of bytes, wherever they are cut.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.end_line(line.strip_suffix('\r').unwrap_or(&line)));
        }
        events
    }

    /// The event that ends with this line.
    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let is_event = std::mem::take(&mut self.has_data) || !event.name.is_empty();
            return is_event.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => value.clone_into(&mut self.event.id),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments and times to wait.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Parser};

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        let text = b": still here\n\nevent: connected\ndata: 1\n\nid: 7\r\nevent:output\r\n\
            data: a\r\ndata: b\r\n\r\nretry: 10\n\nid: 8\ndata:\n\n";
        let event = |name: &str, id: &str, data: &str| Event {
            name: name.to_owned(),
            id: id.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            event("connected", "", "1"),
            event("output", "7", "a\nb"),
            event("", "8", ""),
        ];
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut events = parser.feed(&text[..cut]);
            events.extend(parser.feed(&text[cut..]));
            assert_eq!(events, expected, "cut at {cut}");
        }
    }
}

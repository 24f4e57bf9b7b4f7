//! What the servers say. Each kind of event has a mark in its data, which is nowhere else in a
//! response.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::sse::Event;

/// The first event of a stream.
pub(crate) const OPEN: char = '!';
/// An event that was published.
pub(crate) const OUTPUT: char = '@';
/// The last event, if the server ends the stream.
pub(crate) const CLOSED: char = '#';

/// Numbers what is published.
#[derive(Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn next_event(&self) -> Event {
        let number = self.next();
        let event = Event::default().event("output").data(text(number));
        event.id(number.to_string())
    }
}

/// The data of an event.
pub(crate) fn text(number: u64) -> String {
    let words = "the quick brown fox jumps over the lazy dog, and sleeps on the other side of it";
    format!("{OUTPUT}{{\"number\": {number}, \"text\": \"{words}\"}}")
}

pub(crate) fn open() -> Event {
    Event::default().event("open").data(OPEN.to_string())
}

pub(crate) fn closed() -> Event {
    Event::default().event("closed").data(CLOSED.to_string())
}

//! By what connections are found and sorted: one text for all of them, so that a search is one
//! and what has not changed is copied at once.

use std::fmt::Write;

use hangup::Handle;
use memchr::memmem::Finder;

use crate::clip::{MOST, clip};

/// The most bytes of the text of a connection, but for its last key.
const MOST_TEXT: usize = 4 * MOST;

/// Of each connection, its label, id and keys in lower case.
#[derive(Default)]
pub(crate) struct Details {
    text: String,
    of: Vec<Part>,
}

/// The part of one connection.
#[derive(Clone, Copy)]
struct Part {
    end: usize,
    /// The bytes of the label, with which the part begins.
    label: Option<usize>,
}

impl Details {
    pub(crate) fn with_capacity(connections: usize, before: &Self) -> Self {
        Self {
            text: String::with_capacity(before.text.len()),
            of: Vec::with_capacity(connections),
        }
    }

    fn begin(&self, index: usize) -> usize {
        match index {
            0 => 0,
            index => self.of[index - 1].end,
        }
    }

    /// Adds those of the connection.
    pub(crate) fn read(&mut self, connection: &Handle) {
        let begin = self.text.len();
        let label = connection.label();
        let label = label.map(|label| {
            self.push_lower(&clip(&label));
            self.text.len() - begin
        });
        // To write to a string does not fail.
        let _: std::fmt::Result = write!(self.text, "\n{}", connection.id());
        for key in connection.keys() {
            if self.text.len() - begin > MOST_TEXT {
                break;
            }
            self.text.push('\n');
            self.push_lower(&clip(&key.registry));
            self.text.push('=');
            self.push_lower(&clip(&key.key));
        }
        let end = self.text.len();
        self.of.push(Part { end, label });
    }

    fn push_lower(&mut self, text: &str) {
        if text.is_ascii() {
            let lower = text
                .bytes()
                .map(|byte| char::from(byte.to_ascii_lowercase()));
            self.text.extend(lower);
        } else {
            self.text.push_str(&text.to_lowercase());
        }
    }

    /// Adds those at `index` of `others`.
    pub(crate) fn copy(&mut self, others: &Self, index: usize) {
        let Part { end, label } = others.of[index];
        self.text.push_str(&others.text[others.begin(index)..end]);
        let end = self.text.len();
        self.of.push(Part { end, label });
    }

    /// The label at `index`, in lower case.
    pub(crate) fn label(&self, index: usize) -> Option<&str> {
        let begin = self.begin(index);
        let label = self.of[index].label;
        label.map(|len| &self.text[begin..begin + len])
    }

    /// The indices of those that contain `filter`, which is in lower case and not empty, in their
    /// order.
    pub(crate) fn find(&self, filter: &str) -> Vec<usize> {
        let (finder, text) = (Finder::new(filter.as_bytes()), self.text.as_bytes());
        let (mut found, mut from, mut index) = (Vec::new(), 0, 0);
        while let Some(at) = finder.find(&text[from..]) {
            let at = from + at;
            while self.of[index].end <= at {
                index += 1;
            }
            let end = self.of[index].end;
            let is_of_one = at + filter.len() <= end;
            found.extend(is_of_one.then_some(index));
            from = if is_of_one { end } else { at + 1 };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use hangup::{Conflict, Registry, Scope};

    use super::Details;

    #[test]
    fn each_is_found_by_what_is_in_its_own_part() {
        let rooms = Registry::builder(Conflict::share(9)).name("Rooms").build();
        let scope = Scope::new();
        let open = |label: Option<&str>, room: &str| {
            let mut setup = scope.open().unwrap().register().unwrap();
            if let Some(label) = label {
                setup.label(label);
            }
            setup.join(&rooms, room.to_owned(), ()).unwrap();
            setup
        };
        let all = [
            open(Some("Ada"), "ÄRGER"),
            open(None, "aa"),
            open(Some("aaaa"), "b"),
            open(Some(""), "b"),
        ];
        let mut details = Details::default();
        for it in &all {
            details.read(&it.handle());
        }
        assert_eq!(details.find("ada"), [0]);
        assert_eq!(details.find("ärger"), [0]);
        assert_eq!(details.find("rooms=\"b"), [2, 3]);
        assert_eq!(details.find("="), [0, 1, 2, 3]);
        assert_eq!(details.find("aaa"), [2]);
        assert_eq!(details.find(&all[3].id().to_string()), [3]);
        assert!(details.find("x").is_empty());
        // The end of one and the beginning of the next.
        assert!(details.find("\"aaaa").is_empty());
        assert!(details.find("\"\n").is_empty());
        let labels = [Some("ada"), None, Some("aaaa"), Some("")];
        assert_eq!([0, 1, 2, 3].map(|index| details.label(index)), labels);

        let mut copied = Details::with_capacity(2, &details);
        copied.copy(&details, 2);
        copied.copy(&details, 0);
        assert_eq!(
            [0, 1].map(|index| copied.label(index)),
            [Some("aaaa"), Some("ada")]
        );
        assert_eq!(
            (copied.find("aaaa"), copied.find("ärger")),
            (vec![0], vec![1])
        );
    }
}

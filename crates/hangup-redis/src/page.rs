//! What a fetch found of a topic, and what it means for a reader.

use hangup::topic::Cursor;
use hangup_cluster::engine::{EngineError, LogEvent};
use redis::Value;

use crate::answer::{array, bytes, entry_number, life, number, strange};
use crate::engine::Life;

/// What one fetch found, at one moment.
#[derive(Debug)]
pub(crate) struct Page {
    life: Life,
    /// The number of the last item that the topic got.
    last: u64,
    /// The items behind the place that was asked for, or the oldest ones if that place is in
    /// another life.
    items: Vec<(u64, Vec<u8>)>,
}

impl Page {
    pub(crate) fn parse(answer: Value) -> Result<Self, EngineError> {
        if answer == Value::Nil {
            return Err(EngineError::Forgotten);
        }
        let [life_, last, entries] = array(answer)?;
        let Value::Array(entries) = entries else {
            return Err(strange(&entries));
        };
        let entry = |entry| {
            let [id, fields] = array(entry)?;
            let [_, item] = array(fields)?;
            Ok((entry_number(&id)?, bytes(item)?))
        };
        Ok(Self {
            life: life(&life_)?,
            last: number(&last)?,
            items: entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        })
    }

    /// Behind all that the topic got.
    pub(crate) fn end(&self) -> Cursor {
        Cursor::new(self.life.0, self.last)
    }

    /// Before the first item of the page, or behind all if it has none.
    pub(crate) fn start(&self) -> Cursor {
        let number = self.items.first().map_or(self.last, |(first, _)| first - 1);
        Cursor::new(self.life.0, number)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes of its largest item.
    pub(crate) fn largest(&self) -> usize {
        self.items
            .iter()
            .map(|(_, item)| item.len())
            .max()
            .unwrap_or(0)
    }

    /// The events for a reader that has all up to `at`.
    pub(crate) fn into_events(self, at: Cursor) -> Vec<LogEvent> {
        let mut events = Vec::with_capacity(self.items.len() + 1);
        // If there is nothing behind `at`, it is the end: or else items were dropped, or the log
        // has lost its own end, and goes on from an earlier one.
        let mut at = at;
        if at.incarnation() != self.life.0 || self.items.is_empty() && at != self.end() {
            at = self.start();
            events.push(LogEvent::Gap(at));
        }
        for (number, item) in self.items {
            if Some(number) != at.number().checked_add(1) {
                events.push(LogEvent::Gap(Cursor::new(self.life.0, number - 1)));
            }
            at = Cursor::new(self.life.0, number);
            events.push(LogEvent::Item(at, item));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use hangup::topic::Cursor;
    use hangup_cluster::engine::LogEvent::{self, Gap, Item};

    use super::{Life, Page};

    fn events(at: (u64, u64), last: u64, items: &[u64]) -> Vec<LogEvent> {
        let page = Page {
            life: Life(7),
            last,
            items: items.iter().map(|&number| (number, vec![])).collect(),
        };
        page.into_events(Cursor::new(at.0, at.1))
    }

    fn gap(number: u64) -> LogEvent {
        Gap(Cursor::new(7, number))
    }

    fn item(number: u64) -> LogEvent {
        Item(Cursor::new(7, number), vec![])
    }

    #[test]
    fn what_follows_without_a_hole_has_no_gap() {
        assert_eq!(events((7, 4), 6, &[5, 6]), [item(5), item(6)]);
        assert_eq!(events((7, 4), 4, &[]), []);
    }

    #[test]
    fn each_hole_is_a_gap() {
        assert_eq!(events((7, 4), 9, &[8, 9]), [gap(7), item(8), item(9)]);
        assert_eq!(events((7, 4), 7, &[5, 7]), [item(5), gap(6), item(7)]);
    }

    #[test]
    fn a_topic_that_dropped_all_is_a_gap_up_to_its_end() {
        assert_eq!(events((7, 4), 9, &[]), [gap(9)]);
    }

    #[test]
    fn a_log_that_lost_its_end_is_a_gap_back_to_it() {
        assert_eq!(events((7, 9), 4, &[]), [gap(4)]);
        assert_eq!(events((7, u64::MAX), 4, &[]), [gap(4)]);
    }

    #[test]
    fn another_life_is_a_gap_to_where_it_begins() {
        assert_eq!(events((6, 4), 9, &[8, 9]), [gap(7), item(8), item(9)]);
        assert_eq!(events((6, 9), 9, &[]), [gap(9)]);
    }
}

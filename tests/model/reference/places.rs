//! One registry: who holds a place under which key, in the order of joining.

use super::Number;
use crate::op::Key;
use crate::seen::Hook;

pub(super) struct Places {
    places: Vec<Place>,
    pub(super) hooks: Vec<(Key, Hook)>,
    /// All connections that held a place until they settled, and its key.
    pub(super) ended: Vec<(Key, Number)>,
}

/// No two have the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) value: u32,
    pub(super) key: Key,
    pub(super) connection: Number,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            hooks: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.places.iter().copied()
    }

    pub(super) fn under(&self, key: Key) -> impl DoubleEndedIterator<Item = Place> {
        self.iter().filter(move |place| place.key == key)
    }

    pub(super) fn holds(&self, place: &Place) -> bool {
        self.places.contains(place)
    }

    pub(super) fn take(&mut self, place: Place) {
        if self.under(place.key).next().is_none() {
            self.hooks.push((place.key, Hook::First));
        }
        self.places.push(place);
    }

    /// If it is still held.
    pub(super) fn give_back(&mut self, place: &Place) {
        if !self.holds(place) {
            return;
        }
        self.places.retain(|held| held != place);
        if self.under(place.key).next().is_none() {
            self.hooks.push((place.key, Hook::Last));
        }
    }

    pub(super) fn holder_settled(&mut self, number: Number) {
        let held: Vec<_> = self.iter().filter(|p| p.connection == number).collect();
        for place in held {
            self.ended.push((place.key, number));
            self.give_back(&place);
        }
    }
}

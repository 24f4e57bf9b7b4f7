//! What is said about a connection: by the application, and by the close that won.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::id::ConnectionId;

/// A value of a type that only the application knows.
type Value = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
pub(super) struct About {
    /// The words of the close that won.
    pub(super) words: Option<Arc<str>>,
    /// The connection that superseded this one.
    pub(super) by: Option<ConnectionId>,
    /// In a box of its own, since a take-over says who it is by, and most say no more.
    by_application: Option<Box<Annotations>>,
}

#[derive(Default)]
struct Annotations {
    label: Option<Arc<str>>,
    /// Few, so that a search is quicker than a table.
    values: Vec<(TypeId, Value)>,
}

impl About {
    /// Returns the label that was in its place.
    pub(super) fn set_label(&mut self, label: Arc<str>) -> Option<Arc<str>> {
        let annotations = self.by_application.get_or_insert_default();
        annotations.label.replace(label)
    }

    pub(super) fn label(&self) -> Option<Arc<str>> {
        self.by_application.as_ref()?.label.clone()
    }

    /// Returns the value that was in its place, whose drop is user code.
    #[must_use]
    pub(super) fn insert<T: Any + Send + Sync>(&mut self, value: Arc<T>) -> Option<Value> {
        let of = TypeId::of::<T>();
        let values = &mut self.by_application.get_or_insert_default().values;
        let known = values.iter_mut().find(|(other, _)| *other == of);
        if let Some((_, known)) = known {
            return Some(std::mem::replace(known, value));
        }
        values.push((of, value));
        None
    }

    pub(super) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let of = TypeId::of::<T>();
        let mut values = self.by_application.as_ref()?.values.iter();
        let (_, value) = values.find(|(other, _)| *other == of)?;
        // Always `Ok`: it was found by its type.
        Arc::clone(value).downcast().ok()
    }
}

//! What is said about a connection: by the application, and by the close that won.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::id::ConnectionId;

/// A value of a type that only the application knows.
type Value = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
pub(super) struct About {
    pub(super) label: Option<Arc<str>>,
    /// Few, so that a search is quicker than a table.
    values: Vec<(TypeId, Value)>,
    /// The words of the close that won.
    pub(super) words: Option<Arc<str>>,
    /// The connection that superseded this one.
    pub(super) by: Option<ConnectionId>,
}

impl About {
    /// Returns the value that was in its place, whose drop is user code.
    #[must_use]
    pub(super) fn insert<T: Any + Send + Sync>(&mut self, value: Arc<T>) -> Option<Value> {
        let of = TypeId::of::<T>();
        let known = self.values.iter_mut().find(|(other, _)| *other == of);
        if let Some((_, known)) = known {
            return Some(std::mem::replace(known, value));
        }
        self.values.push((of, value));
        None
    }

    pub(super) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let of = TypeId::of::<T>();
        let (_, value) = self.values.iter().find(|(other, _)| *other == of)?;
        // Always `Ok`: it was found by its type.
        Arc::clone(value).downcast().ok()
    }
}

//! What others keep beside a connection.

use std::any::Any;
use std::sync::Arc;

use super::Lifecycle;

impl Lifecycle {
    /// The one of this type that is attached, or the new one, which is attached from now
    /// on until it is unwound.
    pub(crate) fn attach<T: Any + Send + Sync>(&self, new: Option<T>) -> Option<Arc<T>> {
        let mut parts = self.fill_parts();
        let attached = &parts.slow().attached;
        let found = attached
            .iter()
            .find_map(|attached| Arc::clone(attached).downcast::<T>().ok());
        let unwound = parts.unwound;
        // Whatever is not needed is dropped when the lock is released (I8).
        match (found, new) {
            (Some(found), new) => {
                drop(parts);
                drop(new);
                Some(found)
            }
            (None, None) => None,
            (None, Some(new)) => {
                let new = Arc::new(new);
                if !unwound {
                    parts.slow().attached.push(Arc::clone(&new) as _);
                }
                Some(new)
            }
        }
    }
}

//! How many items have passed through a connection, for those who count them.

use std::fmt;
use std::sync::Arc;

use super::Live;
use crate::lifecycle::ItemCount;

/// Counts the items of a connection. Made by [`Live::count_items`].
///
/// Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct ItemCounter {
    count: Arc<ItemCount>,
}

impl ItemCounter {
    /// Counts `items` more.
    pub fn add(&self, items: u64) {
        self.count.add(items);
    }
}

impl fmt::Debug for ItemCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemCounter")
            .field("items", &self.count.get())
            .finish()
    }
}

impl Live {
    /// Makes the connection count its items: [`Handle::items`](crate::Handle::items) returns
    /// how many the returned counter has been told of. A connection that does not count them
    /// pays nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures::{StreamExt, executor::block_on, stream};
    /// use hangup::Scope;
    ///
    /// let mut live = Scope::new().live()?;
    /// let (handle, counter) = (live.handle(), live.count_items());
    /// let events = stream::iter(["a", "b"]).inspect(move |_| counter.add(1));
    /// let events = live.stream(events);
    /// assert_eq!(block_on(events.count()), 2);
    /// assert_eq!(handle.items(), Some(2));
    /// # Ok::<(), hangup::Error>(())
    /// ```
    pub fn count_items(&mut self) -> ItemCounter {
        ItemCounter {
            count: self.lifecycle().count_items(),
        }
    }
}

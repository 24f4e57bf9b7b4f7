//! A subscription whose gaps are items.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::gap::Gap;
use super::subscription::Subscription;

/// The items of a subscription, and what is made of its gaps. Made by
/// [`Subscription::gap_as`].
#[must_use = "streams do nothing unless polled"]
pub struct GapAs<T, F> {
    subscription: Subscription<T>,
    make: F,
}

impl<T> Subscription<T> {
    /// Yields the items themselves, and for a gap the item that `make` makes of it.
    pub fn gap_as<F>(self, make: F) -> GapAs<T, F>
    where
        F: FnMut(Gap) -> T,
        T: Clone,
    {
        GapAs {
            subscription: self,
            make,
        }
    }
}

// Neither field is pinned.
impl<T, F> Unpin for GapAs<T, F> {}

impl<T: Clone, F: FnMut(Gap) -> T> Stream for GapAs<T, F> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.subscription).poll_next(cx);
        polled.map(|next| {
            next.map(|next| match next {
                Ok(item) => item.into_inner(),
                Err(gap) => (this.make)(gap),
            })
        })
    }
}

impl<T, F> fmt::Debug for GapAs<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GapAs").field(&self.subscription).finish()
    }
}

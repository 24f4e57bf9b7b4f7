//! What the items of a stream mean for its connection.

/// What the items of a [`LiveStream`](super::LiveStream) mean for its connection: that is
/// [`Items`] or [`Results`].
pub trait Kind<T>: sealed::Sealed {
    #[doc(hidden)]
    fn is_failure(item: &T) -> bool;
}

/// No item ends the connection: [`Live::stream`](crate::Live::stream).
#[derive(Debug)]
#[non_exhaustive]
pub struct Items;

/// An `Err` fails the connection: [`Live::try_stream`](crate::Live::try_stream).
#[derive(Debug)]
#[non_exhaustive]
pub struct Results;

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Items {}
    impl Sealed for super::Results {}
}

impl<T> Kind<T> for Items {
    #[inline]
    fn is_failure(_: &T) -> bool {
        false
    }
}

impl<T, E> Kind<Result<T, E>> for Results {
    #[inline]
    fn is_failure(item: &Result<T, E>) -> bool {
        item.is_err()
    }
}

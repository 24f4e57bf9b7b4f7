//! An undo that takes its time.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::lifecycle::{Lifecycle, Next};
use crate::panic::contain;
use crate::runtime::BoxFuture;

/// What an undo is called when it is reported.
pub(crate) type Name = Cow<'static, str>;

pin_project! {
    /// The duty to run one undo, and then those that are older: discharged when it is
    /// complete, or dropped.
    struct Undoing<F, Fut> {
        lifecycle: Arc<Lifecycle>,
        name: Name,
        next: Next,
        // Called by the first poll, since it is user code.
        begin: Option<F>,
        #[pin]
        future: Option<Fut>,
        ended: bool,
    }

    impl<F, Fut> PinnedDrop for Undoing<F, Fut> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.end(Outcome::GivenUp);
            }
        }
    }
}

enum Outcome {
    /// Or it has panicked, which is reported as that.
    Complete,
    GivenUp,
}

/// The task that runs what `begin` returns as an undo.
pub(crate) fn undoing<F, Fut>(
    lifecycle: Arc<Lifecycle>,
    name: Name,
    next: Next,
    begin: F,
) -> BoxFuture<()>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::pin(Undoing {
        lifecycle,
        name,
        next,
        begin: Some(begin),
        future: None,
        ended: false,
    })
}

impl<F, Fut> Undoing<F, Fut> {
    fn end(self: Pin<&mut Self>, outcome: Outcome) {
        let mut this = self.project();
        *this.ended = true;
        // Before the older undos (I2), and whatever its drop does (I5).
        this.lifecycle.contain(|| drop(this.begin.take()));
        this.lifecycle.contain(|| this.future.set(None));
        let unfinished = match outcome {
            Outcome::Complete => None,
            Outcome::GivenUp => Some(std::mem::take(this.name).into_owned()),
        };
        this.lifecycle.end_undo(*this.next, unfinished);
    }
}

impl<F, Fut> Future for Undoing<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = ()>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.ended, "polled after completion");
        if self.next == Next::Unwind && self.lifecycle.is_undo_abandoned(cx.waker()) {
            self.end(Outcome::GivenUp);
            return Poll::Ready(());
        }
        let mut this = self.as_mut().project();
        let polled = contain(|| {
            if let Some(begin) = this.begin.take() {
                this.future.set(Some(begin()));
            }
            let future = this.future.as_mut().as_pin_mut();
            future.expect("it goes only in the end").poll(cx)
        });
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(message) => self.lifecycle.panicked(message),
        }
        self.end(Outcome::Complete);
        Poll::Ready(())
    }
}

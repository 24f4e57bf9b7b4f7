//! Cancellation tokens that are cancelled at the close.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use tokio_util::sync::CancellationToken;

use crate::{Handle, WaitForClosed};

impl Handle {
    /// A token that is cancelled when the connection closes, before anything is undone:
    /// for work elsewhere that is to stop then, a request to an upstream for instance.
    ///
    /// It is one token for the connection: each call returns a clone of it. If the
    /// connection has closed, it is cancelled. Cancelling it does not close the
    /// connection: for the other direction, there is
    /// [`Pending::abort_on`](crate::Pending::abort_on).
    ///
    /// # Examples
    ///
    /// ```
    /// use hangup::Scope;
    ///
    /// let live = Scope::new().open()?.register()?.go_live()?;
    /// let token = live.handle().token();
    /// assert!(!token.is_cancelled());
    /// drop(live);
    /// assert!(token.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.attach(|| CancelOnClose::new(self)).token.clone()
    }
}

struct CancelOnClose {
    token: CancellationToken,
    /// In here for as long as the connection is open, so that the waker stays with it.
    _waiting: Mutex<WaitForClosed>,
}

impl CancelOnClose {
    fn new(handle: &Handle) -> Self {
        let token = CancellationToken::new();
        let waker = Waker::from(Arc::new(Cancel(token.clone())));
        let mut waiting = handle.closed();
        // The close wakes it, or has been.
        if Pin::new(&mut waiting)
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            token.cancel();
        }
        Self {
            token,
            _waiting: Mutex::new(waiting),
        }
    }
}

struct Cancel(CancellationToken);

impl Wake for Cancel {
    fn wake(self: Arc<Self>) {
        self.0.cancel();
    }
}

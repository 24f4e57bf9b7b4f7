//! A cancellation token that is cancelled at the close.

use tokio_util::sync::CancellationToken;

use super::{Handle, Lifecycle};

impl Handle {
    /// A token that is cancelled when the connection closes, before anything is undone:
    /// for work elsewhere that has to stop then, such as a request to an upstream.
    ///
    /// The connection has one token, and each call returns a clone of it. If the connection
    /// has closed, the token is cancelled. To cancel it does not close the connection: for
    /// that direction, see [`Pending::abort_on`](crate::Pending::abort_on).
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
        self.lifecycle().token()
    }
}

impl Lifecycle {
    fn token(&self) -> CancellationToken {
        let mut inner = self.lock_to_store();
        // Under the lock, under which the close takes the token.
        if self.closed().is_none() {
            let token = inner.cold().token.get_or_insert_default();
            return token.clone();
        }
        drop(inner);
        let token = CancellationToken::new();
        token.cancel();
        token
    }
}

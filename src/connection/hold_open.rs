//! A connection without a stream, which its scope owns.

use super::Live;
use crate::error::Error;
use crate::lifecycle::Handle;

impl Live {
    /// Leaves the connection open without an owner, until it is closed from elsewhere: for one
    /// that outlives each of its requests, such as an MCP session.
    ///
    /// It stays in its registries, in its scope and under its caps; it closes by its
    /// [deadlines](crate::Deadlines), by a drain and by any [`Handle`], and is undone then. Since
    /// no drop ends it, it needs a deadline that does: an
    /// [idle deadline](crate::Deadlines::idle), which each request restarts by
    /// [`Handle::touch`], a [`max_age`](crate::Deadlines::max_age) or an
    /// [`expires_at`](crate::Deadlines::expires_at).
    ///
    /// It keeps its scope alive. If the scope is [swept by hand](crate::ScopeBuilder::swept_by_hand),
    /// keep a clone of it and go on sweeping: else nothing is left that ends the connection.
    ///
    /// # Errors
    ///
    /// - [`Error::NoDeadline`] if it has none of these. The connection closes as
    ///   [`Dropped`](crate::CloseReason::Dropped).
    /// - [`Error::Closed`] if the connection has closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// use hangup::{CloseReason, Conflict, Deadlines, Registry, Scope};
    ///
    /// let idle = Deadlines::new().idle(Duration::from_secs(300));
    /// let scope = Scope::builder().deadlines(idle).swept_by_hand().build();
    /// let sessions = Registry::new(Conflict::Reject);
    ///
    /// // The request that creates the session.
    /// let mut setup = scope.open()?.register()?;
    /// setup.join(&sessions, "5f3a", ())?;
    /// setup.go_live()?.hold_open()?;
    ///
    /// // Each request that names it.
    /// let session = sessions.get("5f3a").ok_or("no such session")?;
    /// session.handle().touch();
    ///
    /// // The request that ends it.
    /// assert_eq!(sessions.close("5f3a", CloseReason::Completed), 1);
    /// assert!(scope.handles().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold_open(self) -> Result<Handle, Error> {
        let lifecycle = self.lifecycle();
        // No owner will end a step that was forgotten.
        lifecycle.disown_forgotten();
        if let Some(closed) = lifecycle.closed() {
            return Err(Error::Closed(closed));
        }
        if !lifecycle.ends_by_itself() {
            return Err(Error::NoDeadline);
        }
        let handle = self.handle();
        // To its scope, which has it on its list.
        lifecycle.leave_open();
        Ok(handle)
    }
}

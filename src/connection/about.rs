//! What the application says about its connection: a label, and values.

use std::any::Any;
use std::sync::Arc;

use super::{Live, Pending, Registering};

macro_rules! about {
    ($($state:ident),*) => {$(
        impl $state {
            /// Labels the connection for logs, observers and tables: the name of a user, the
            /// address of a peer. The latest label counts.
            ///
            /// [`Handle::label`](crate::Handle::label) returns it as long as there is a
            /// handle, also after the connection has settled. An observer is told that a
            /// connection was opened before it can have a label.
            ///
            /// # Examples
            ///
            /// ```
            /// # use hangup::Scope;
            /// let scope = Scope::new();
            /// let mut pending = scope.open()?;
            /// pending.label("ada").insert(std::net::Ipv4Addr::LOCALHOST);
            ///
            /// let handle = pending.handle();
            /// drop(pending);
            /// assert_eq!(handle.label().as_deref(), Some("ada"));
            /// # Ok::<(), hangup::OpenError>(())
            /// ```
            pub fn label(&mut self, label: impl Into<Arc<str>>) -> &mut Self {
                self.lifecycle().set_label(label.into());
                self
            }

            /// Stores a value of the application's own, in the place of the one of its type.
            ///
            /// [`Handle::get`](crate::Handle::get) returns it as long as there is a handle: it
            /// is dropped with the last one, which may be long after the connection has
            /// settled. What is to be released at the end belongs to
            /// [`hold`](crate::Registering::hold).
            pub fn insert<T>(&mut self, value: T) -> &mut Self
            where
                T: Any + Send + Sync,
            {
                self.lifecycle().insert(value);
                self
            }
        }
    )*};
}
about!(Pending, Registering, Live);

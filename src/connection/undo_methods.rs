//! How a step, or work, is given its undo.

/// The methods of a future that registers what `add` was given as it begins.
macro_rules! undo_methods {
    ($panics:literal) => {
        /// Undoes this when the connection closes, like
        /// [`on_close`](crate::Registering::on_close).
        ///
        /// The undo is registered right before the first poll, and stays registered however
        /// this ends: complete, failed, dropped half way. So it must bear that nothing took
        /// effect. It begins after this is over, and before the connection has settled, so
        /// it meets no successor that [took over](crate::Registering::take_over).
        ///
        /// Called again, it adds an undo that runs before those of earlier calls.
        ///
        /// # Panics
        ///
        #[doc = $panics]
        pub fn undo(mut self, undo: impl FnOnce() + Send + 'static) -> Self {
            self.add(|undos, _| undos.push_sync(undo));
            self
        }

        /// [`undo`](Self::undo) with an asynchronous undo, like
        /// [`on_close_async`](crate::Registering::on_close_async).
        ///
        /// # Panics
        ///
        #[doc = $panics]
        #[track_caller]
        pub fn undo_async<U, Undoing>(
            mut self,
            name: impl Into<std::borrow::Cow<'static, str>>,
            undo: U,
        ) -> Self
        where
            U: FnOnce() -> Undoing + Send + 'static,
            Undoing: std::future::Future<Output = ()> + Send + 'static,
        {
            let label = $crate::lifecycle::Label::here(name);
            self.add(|undos, owner| undos.push_spawned(owner.shared(), label, undo));
            self
        }

        /// [`undo`](Self::undo) with an undo that may block, like
        /// [`on_close_blocking`](crate::Registering::on_close_blocking).
        ///
        /// # Panics
        ///
        #[doc = $panics]
        #[track_caller]
        pub fn undo_blocking(
            mut self,
            name: impl Into<std::borrow::Cow<'static, str>>,
            undo: impl FnOnce() + Send + 'static,
        ) -> Self {
            let label = $crate::lifecycle::Label::here(name);
            self.add(|undos, owner| undos.push_blocking(owner.shared(), label, undo));
            self
        }
    };
}
pub(super) use undo_methods;

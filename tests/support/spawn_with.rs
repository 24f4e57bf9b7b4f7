//! Asynchronous undos on an executor that is a closure.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hangup::runtime::{self, BoxFuture, Runtime};
use hangup::{Closed, Registering};

/// Gives its one task to a closure, and has no time.
struct SpawnWith<S>(Mutex<Option<S>>);

impl<S> Runtime for SpawnWith<S>
where
    S: FnOnce(BoxFuture<()>) + Send,
{
    fn spawn(&self, task: BoxFuture<()>) {
        let spawn = self.0.lock().unwrap().take();
        spawn.expect("there is one task")(task);
    }

    fn now(&self) -> Instant {
        unreachable!("an undo needs no time")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        unreachable!("an undo needs no time")
    }
}

pub(crate) trait OnCloseSpawn {
    /// Registers an asynchronous undo whose task is given to `spawn`.
    fn on_close_spawn<N, S, F, Fut>(&mut self, name: N, spawn: S, undo: F) -> Result<(), Closed>
    where
        N: Into<Cow<'static, str>>,
        S: FnOnce(BoxFuture<()>) + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static;
}

impl OnCloseSpawn for Registering {
    fn on_close_spawn<N, S, F, Fut>(&mut self, name: N, spawn: S, undo: F) -> Result<(), Closed>
    where
        N: Into<Cow<'static, str>>,
        S: FnOnce(BoxFuture<()>) + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let _entered = runtime::enter(SpawnWith(Mutex::new(Some(spawn))));
        self.on_close_async(name, undo)
    }
}

//! The one port to an executor: tasks and time.
//!
//! The core spawns nothing, reads no clock and sets no timer. What needs these (deadlines,
//! drains, heartbeats, signals, asynchronous undos, tasks) goes through the trait
//! [`Runtime`], so it works on every executor that has an implementation.
//!
//! Which runtime is used:
//!
//! 1. the one that the scope [was given](crate::ScopeBuilder::runtime);
//! 2. else the one that the calling thread has [entered](enter);
//! 3. else, with the feature `tokio`, the tokio runtime that the calling thread is in.
//!
//! If there is none, the caller gets a typed error, [`NoRuntime`].

#[cfg(feature = "tokio")]
mod shutdown_signal;
mod timer;
#[cfg(feature = "tokio")]
mod tokio;
mod port;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub(crate) use port::Port;
#[cfg(feature = "tokio")]
pub use shutdown_signal::{ShutdownSignal, shutdown_signal};
pub(crate) use timer::Timer;

/// A future that is owned and can be sent anywhere.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tasks and time: what an executor has to offer to this crate.
///
/// With the feature `tokio`, a `tokio::runtime::Handle` is one. An `Arc` of a runtime is a
/// runtime.
///
/// # Examples
///
/// An adapter for [smol](https://docs.rs/smol) is a line for each method. This one needs
/// nothing but threads, one for each task and each timer:
///
/// ```
/// use std::thread;
/// use std::time::{Duration, Instant};
/// # use futures::{FutureExt, executor::block_on};
/// use hangup::runtime::{BoxFuture, Runtime};
/// use hangup::{CloseReason, Deadlines, Scope};
///
/// struct Threads;
///
/// impl Runtime for Threads {
///     fn spawn(&self, task: BoxFuture<()>) {
///         thread::spawn(|| block_on(task));
///     }
///
///     fn now(&self) -> Instant {
///         Instant::now()
///     }
///
///     fn sleep(&self, duration: Duration) -> BoxFuture<()> {
///         let (sender, receiver) = futures::channel::oneshot::channel();
///         thread::spawn(move || {
///             thread::sleep(duration);
///             sender.send(())
///         });
///         Box::pin(receiver.map(drop))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scope = Scope::builder()
///     .runtime(Threads)
///     .deadlines(Deadlines::new().setup(Duration::from_millis(10)))
///     .sweep_every(Duration::from_millis(1))
///     .build();
/// let setup = scope.open()?;
/// assert_eq!(block_on(setup.handle().closed()).reason, CloseReason::Expired);
/// # Ok(())
/// # }
/// ```
pub trait Runtime: Send + Sync {
    /// Runs `task` in the background to its end, or drops it when the runtime shuts down.
    ///
    /// It is called from anywhere: from a `Drop`, outside the runtime, after its end. An
    /// implementation that cannot run `task` drops it, and does not panic.
    fn spawn(&self, task: BoxFuture<()>);

    /// Runs `work`, which may block, where it holds up no task; or drops it if that is
    /// impossible.
    ///
    /// Unless it is overridden, that is a thread of its own.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        // Without memory for a thread, `work` is dropped.
        let _: Result<_, std::io::Error> = std::thread::Builder::new().spawn(work);
    }

    /// The time.
    fn now(&self) -> Instant;

    /// Completes when `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn spawn(&self, task: BoxFuture<()>) {
        (**self).spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        (**self).spawn_blocking(work);
    }

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        (**self).sleep(duration)
    }
}

/// There is no [`Runtime`] for what was asked for: see the [module](self) for where one is
/// looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("no runtime: none was given, and this thread is in none")]
pub struct NoRuntime;

/// Makes `runtime` the one of this thread, until the returned guard is dropped.
///
/// Scopes that were not given a runtime of their own use it. If guards nest, the newest
/// one counts.
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, Instant};
/// # use hangup::runtime::{BoxFuture, Runtime};
/// # struct MyRuntime;
/// # impl Runtime for MyRuntime {
/// #     fn spawn(&self, _: BoxFuture<()>) {}
/// #     fn now(&self) -> Instant { Instant::now() }
/// #     fn sleep(&self, _: Duration) -> BoxFuture<()> { Box::pin(std::future::pending()) }
/// # }
/// use hangup::{Scope, runtime};
///
/// let live = Scope::new().open()?.register()?.go_live()?;
/// let _entered = runtime::enter(MyRuntime);
/// let events = live
///     .stream(futures::stream::pending())
///     .heartbeat(Duration::from_secs(15), || "ping")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn enter<R>(runtime: R) -> Entered
where
    R: Runtime + 'static,
{
    let id = NEXT.with(|next| next.replace(next.get() + 1));
    let runtime: Arc<dyn Runtime> = Arc::new(runtime);
    ENTERED.with_borrow_mut(|entered| entered.push((id, runtime)));
    Entered {
        id,
        _not_send: PhantomData,
    }
}

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static ENTERED: RefCell<Vec<(u64, Arc<dyn Runtime>)>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a runtime when it is dropped. Made by [`enter`].
#[must_use = "dropping it leaves the runtime"]
pub struct Entered {
    id: u64,
    // Not `Send`: it is about this thread.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Guards may be dropped in any order. The runtime itself is dropped after the
        // borrow, since its `Drop` may enter another one.
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let index = entered.iter().position(|(id, _)| *id == self.id)?;
            Some(entered.remove(index))
        });
        drop(left);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// The runtime of this thread: the one that it has [entered](enter), else, with the feature
/// `tokio`, the tokio runtime that it is in. For crates that build on this one.
#[must_use]
pub fn current() -> Option<Arc<dyn Runtime>> {
    current_port().map(Port::into_arc)
}

/// [`current`], without an allocation.
pub(crate) fn current_port() -> Option<Port> {
    // While the thread ends, its locals may be gone.
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        entered.last().map(|(_, runtime)| Arc::clone(runtime))
    });
    let entered = entered.ok().flatten().map(Port::Given);
    #[cfg(feature = "tokio")]
    let entered = entered.or_else(|| tokio::current().map(Port::Tokio));
    entered
}

/// Polls `future` without the budget that a runtime gives to a task: a task that has used
/// up its budget is told `Pending` even by a future that is ready.
pub(crate) fn poll_unbudgeted<F>(future: F, cx: &mut Context<'_>) -> Poll<F::Output>
where
    F: Future + Unpin,
{
    #[cfg(feature = "tokio")]
    let mut future = ::tokio::task::unconstrained(future);
    #[cfg(not(feature = "tokio"))]
    let mut future = future;
    Pin::new(&mut future).poll(cx)
}

//! Race-free lifecycles for long-lived server streams: SSE, WebSocket, gRPC, MCP.
//!
//! A server that streams must register each connection, deliver to it, notice its
//! end, and undo what it did for it, while clients vanish at any instant, also in
//! the middle of an asynchronous set-up. Written by hand this is a list of races:
//! a dead writer that is added after the cleanup ran, a timer that runs for ever,
//! a stale close that removes its successor. Here they cannot be written.
//!
//! # The state machine
//!
//! ```text
//!             register()             go_live()
//!   Pending ─────────────▶ Registering ─────────────▶ Live
//!      │                       │                       │
//!      └───── close(reason) ───┴───── close(reason) ───┴────▶ Closed { reason, from }
//! ```
//!
//! The states are types: [`Pending`], [`Registering`] and [`Live`] are owned values,
//! one owner per connection, and each transition consumes one and returns the next,
//! or [`Closed`]. Only a `Registering` can acquire; only a `Live` can stream.
//! Dropping the owner closes the connection, wherever it is dropped.
//!
//! | you want to | use |
//! |---|---|
//! | admit, cap, count, drain and close a group of connections | [`Scope`] |
//! | log or measure every transition | [`Observer`] |
//! | acquire for a connection, with an undo for each thing | [`Registering`] |
//! | have one connection per key, or a few, for others to find | [`Registry`] |
//! | share one upstream among all under a key | [`RegistryBuilder::on_first`] |
//! | stream until either side ends | [`Live::stream`], [`LiveStream`] |
//! | send a body that somebody else made | `Live::body`, `LiveBody` |
//! | run a loop of your own: a WebSocket | [`Live::run`] |
//! | run work beside it that ends with it | [`Live::scoped`] |
//! | limit how long what may take | [`Deadlines`], [`Scope::sweep`] |
//! | observe or close from anywhere | [`Handle`] |
//! | close when a signal fires | `Pending::abort_on` on tokio, [`Handle::close_when`] elsewhere |
//! | undo what takes its time | `Registering::on_close_async` on tokio, [`Registering::on_close_spawn`] elsewhere |
//! | send heartbeats, drain within a deadline | `LiveStream::heartbeat`, `Scope::drain` on tokio |
//! | keep a connection in a field | [`Connection`] |
//! | reason about the states themselves | [`State::apply`] |
//! | find these races in handlers, on `hangup` or not | the crate `hangup-test` |
//!
//! # Example
//!
//! One connection per worker; a reconnect takes over; a job router is told, and
//! told again when the connection ends, at whatever point that is:
//!
//! ```
//! # use std::sync::Arc;
//! # use futures::{Stream, StreamExt, stream};
//! # struct Router;
//! # impl Router {
//! #     async fn resume(&self, _: &str) -> Result<(), std::io::Error> { Ok(()) }
//! #     fn pause(&self, _: &str) {}
//! # }
//! use hangup::{CloseReason, Conflict, Registry, Scope};
//!
//! async fn worker_stream(
//!     scope: &Scope,
//!     workers: &Registry<String, ()>,
//!     router: Arc<Router>,
//!     name: &'static str,
//! ) -> Result<impl Stream<Item = String> + use<>, Box<dyn std::error::Error>> {
//!     let mut setup = scope.open()?.register()?;
//!     // Closes the predecessor, and waits until it is undone.
//!     setup.take_over(workers, name.to_owned(), ()).await?;
//!     // The undo first, then the step. A close stops the step, then undoes it.
//!     let paused = Arc::clone(&router);
//!     setup.on_close(move || paused.pause(name));
//!     setup.run(router.resume(name)).await??;
//!     // From this instant on `workers` shows it.
//!     let live = setup.go_live()?;
//!     let events = stream::once(async { "connected".to_owned() }).chain(stream::pending());
//!     Ok(live.stream(events).farewell(|closed| Some(closed.reason.to_string())))
//! }
//!
//! # futures::executor::block_on(async {
//! let (scope, workers) = (Scope::new(), Registry::new(Conflict::Replace));
//! let mut events = Box::pin(worker_stream(&scope, &workers, Arc::new(Router), "ada").await?);
//! assert_eq!(events.next().await.unwrap(), "connected");
//!
//! scope.begin_drain();
//! scope.close_all(CloseReason::Shutdown);
//! assert_eq!(events.next().await.unwrap(), "shutdown");
//! assert_eq!(events.next().await, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Guarantees
//!
//! - **I1 One word.** The state of a connection is one atomic word. Closed is
//!   terminal, and the first reason wins.
//! - **I2 Unwound once.** Whatever was acquired is undone exactly once, newest
//!   first, whichever thread closes and at whatever await the owner stands. The
//!   closer runs the undo at once; only while a set-up step or a task of the connection
//!   is in flight, that is stopped first and the undo runs where it stops. An asynchronous
//!   undo runs elsewhere, and the older ones follow it. A panicking undo stops no
//!   other and does not reach the closer; [`Handle::settled`] reports it.
//! - **I3 Visible means live.** A lookup returns a member only if it was live at one
//!   instant during the call, in all registries alike.
//! - **I4 Silence after close.** A poll that began after a close returned yields no
//!   item but one farewell.
//! - **I5 Successors are safe.** Nothing done for one connection touches another
//!   under the same key.
//! - **I6 Admission is atomic.** Caps and the drain gate are decided in the step
//!   that admits.
//! - **I7 Nothing outlives.** Once a connection has settled, nothing of it is left
//!   in a registry, in its scope or on the lists of those who wait, no task of it, and
//!   nothing that it held. Its signals have let go of it. A timer is a field of
//!   the stream, and goes with the source of that.
//! - **I8 No user code under a lock.** Undos, wakers, hooks, observers, the body of a
//!   loop over a registry and the drop of keys and values may use this crate in any
//!   way. Only `Eq` and `Borrow` of keys run under one.
//! - **I9 No unsafe code**, and no runtime, clock or spawn: it runs on any executor.
//!
//! # Features
//!
//! - **`tokio`** (on by default): `hangup::tokio`, which drives real streams: signals,
//!   heartbeats, asynchronous undos, tasks, drains. Without it the crate is the core
//!   alone, which needs no runtime.
//! - **`http-body`** (on by default): `Live::body`, for bodies of HTTP messages; with
//!   `tokio`, heartbeats in bodies of server-sent events.
//! - **`tokio-util`**: `Handle::token`, a `CancellationToken` that is cancelled at the
//!   close.
//! - **`tracing`**: `TracingObserver`, which emits an event for every transition.
//!
//! # What a close is
//!
//! *Closed* and *settled* are two moments. Closed is the atomic transition: from then
//! on the connection is invisible and silent. Settled is later: all its undos have
//! run. [`Handle::closed`] and [`Handle::settled`] wait for them, and resolve at
//! once when they have passed.
#![forbid(unsafe_code)]

#[cfg(feature = "http-body")]
mod body;
mod close_when;
mod connection;
mod deadlines;
mod driven;
mod error;
mod group;
mod handle;
mod id;
mod lifecycle;
mod live;
#[cfg(doctest)]
mod misuse;
mod observer;
mod owner;
mod panic;
mod pending;
mod pulse;
mod registering;
mod registry;
mod run;
mod runtime;
mod scope;
mod scoped;
mod settled;
mod shards;
mod shrink;
mod state;
mod step;
mod stream;
mod sync;
mod take_over;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tracing")]
mod tracing;
mod undoing;
mod waiters;
mod word;

#[cfg(feature = "http-body")]
pub use body::LiveBody;
pub use close_when::CloseWhen;
pub use connection::Connection;
pub use deadlines::Deadlines;
pub use error::{JoinError, Refused};
pub use group::Stats;
pub use handle::{Handle, WaitForClosed, WaitForSettled};
pub use id::ConnectionId;
pub use live::Live;
pub use observer::{Observer, Transition};
pub use pending::Pending;
pub use registering::Registering;
pub use registry::{Conflict, Member, Registry, RegistryBuilder};
pub use run::Run;
pub use runtime::{BoxFuture, Runtime};
pub use scope::{Scope, ScopeBuilder, WaitForDrained};
pub use scoped::Scoped;
pub use settled::Settled;
pub use state::{CloseReason, Closed, Event, Phase, State, TransitionError};
pub use step::Step;
pub use stream::LiveStream;
pub use take_over::TakeOver;
#[cfg(feature = "tracing")]
pub use tracing::TracingObserver;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

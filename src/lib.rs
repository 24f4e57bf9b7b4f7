//! Race-free lifecycles for long-lived server streams: SSE, WebSocket, gRPC, MCP.
//!
//! A server that streams must register each connection, deliver to it, notice its end, and
//! undo what it did for it, while clients vanish at any instant, also in the middle of the
//! asynchronous set-up. Written by hand, this is a list of races: a dead writer that is
//! added after the cleanup ran, a timer that runs for ever, a stale close that removes its
//! successor. This crate makes them unrepresentable.
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
//! The states are types: [`Pending`], [`Registering`] and [`Live`] are owned values, one
//! owner per connection, and each transition consumes one and returns the next, or
//! [`Closed`]. Only a `Registering` can acquire; only a `Live` can stream. To drop the owner
//! closes the connection, wherever it is dropped.
//!
//! | you want to | use |
//! |---|---|
//! | open connections, with a cap | [`Scope::open`], [`ScopeBuilder::max_connections`] |
//! | shut down within a deadline | [`Scope::drain`] |
//! | acquire for a connection, with an undo for each thing | [`Registering::run`] |
//! | undo on an `async` path | [`Registering::on_close_async`] |
//! | have one connection per key, or a few, for lookups to find | [`Registry`] |
//! | share one upstream among all connections under a key | [`RegistryBuilder::on_first`] |
//! | stream until either side ends, with heartbeats and a farewell | [`Live::stream`], [`LiveStream`] |
//! | send a body that another service made | [`Live::body`], [`LiveBody`] |
//! | put it around the handlers of a server that exists | [`layer`], [`Scope::drain_after`] |
//! | stream without a set-up | [`Scope::live`] |
//! | send to many what a client that comes back gets as well: a backlog, then live, without a gap | [`topic`] |
//! | send to everyone | [`Topics::publish_all`](topic::Topics::publish_all), [`Registry::members`] |
//! | bound what a burst of closes undoes at once | [`ScopeBuilder::max_running_undos`] |
//! | run a loop of your own: a WebSocket, with pings and a goodbye | [`Live::run`], [`Live::interval`], [`Closing::farewell`] |
//! | keep a connection without a stream: a session | [`Live::hold_open`] |
//! | stop a stream or a loop that must not go on, such as one whose lease has lapsed | [`LiveStream::gate`], [`gate`](future::Run::gate) of a loop |
//! | deliver what was accepted before a close | [`LiveStream::flush`] |
//! | run a step that must not be stopped half way | [`Registering::finish`] |
//! | answer an error | [`Error`] |
//! | run a task that ends with the connection | [`Live::spawn`], [`Live::track`] |
//! | close what is too slow, too old or silent | [`Deadlines`] |
//! | observe or close from anywhere | [`Handle`] |
//! | close when a signal fires | [`Pending::abort_on`], [`Scope::abort_on`], [`Handle::close_when`] |
//! | log or measure every transition | [`Observer`], `observers` |
//! | say whose a connection is, and look inside | [`Pending::label`], [`Pending::insert`], [`Handle::snapshot`] |
//! | find what is closed and does not settle | [`ScopeBuilder::unsettled_after`], [`Scope::unsettled_for`] |
//! | run on another executor than tokio | [`runtime`] |
//! | reason about the states themselves | [`state`] |
//! | copy from a page | [`guide`] |
//! | see who is connected, and end one by hand | the crate `hangup-console` |
//! | have one connection per key, and events with replay, on several nodes | the crate `hangup-cluster` |
//! | find these races in handlers, on `hangup` or not | the crate `hangup-test` |
//!
//! # Example
//!
//! One connection per worker; a reconnect takes over; a job router learns when the worker
//! comes, and again when its connection ends, at whatever point that is:
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use futures::{Stream, StreamExt, stream};
//! # async fn timer(_: Duration) { std::future::pending().await }
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
//!     // Closes the predecessor, and waits until it is undone, for five seconds at most.
//!     let taking = setup.take_over(workers, name.to_owned(), ());
//!     taking.deadline(timer(Duration::from_secs(5))).await?;
//!     // The step and its undo are one call. A close stops the step, then undoes it.
//!     let paused = Arc::clone(&router);
//!     setup.run(router.resume(name)).undo(move || paused.pause(name)).await??;
//!     // From this instant on `workers` shows it.
//!     let live = setup.go_live()?;
//!     let events = stream::once(async { "connected".to_owned() }).chain(stream::pending());
//!     Ok(live.stream(events).farewell(|end| Some(end.reason().to_string())))
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
//! - **I1 One word.** The state of a connection is one atomic word. Closed is terminal, and
//!   the first reason wins.
//! - **I2 Unwound once.** Whatever was acquired is undone exactly once, newest first,
//!   whichever thread closes and at whatever await the owner stands. During the set-up, in a
//!   [`Live::step`] and in [`Live::run`], the owner undoes: it is woken, stops what is in
//!   flight, and the undos run when it is dropped. Else the closer undoes at once, so that a
//!   body that the transport holds and does not poll delays nothing. The tasks of the
//!   connection end before that. An asynchronous undo runs on its runtime, and the older
//!   ones follow it. A panicking undo stops no other and does not reach the closer;
//!   [`Handle::settled`] reports it.
//! - **I3 Visible means live.** A lookup returns a member only if it was live at one instant
//!   during the call, in all registries alike.
//! - **I4 Silence after close.** A poll that began after a close returned yields nothing
//!   but what was asked for: with [`LiveStream::flush`] what the source has ready, up to a
//!   limit, and one farewell.
//! - **I5 Successors are safe.** Nothing done for one connection touches another under the
//!   same key. No undo of a connection begins after it has settled: as long as its owner can
//!   register one, it has not. Under [`Conflict::Replace`] the undos of the predecessor run
//!   after the set-up of the newcomer: use it where undos name the connection, and
//!   [`Registering::take_over`] where they name the key.
//! - **I6 Admission is atomic.** Caps and the drain gate are decided in the step that
//!   admits. Every cap, that of a scope and that of a key, counts a connection until it has
//!   settled: until then it holds what it acquired.
//! - **I7 Nothing outlives.** Once a connection has settled, it is in no registry, in no
//!   scope and on no list of waiters, no task of it is left, and its signals and held values
//!   are dropped. Its label and its [values](Pending::insert) are those of its handles. What the transport still holds outlives that: the source of a stream, with
//!   its timer, is dropped in the next poll, or when its flush is over.
//! - **I8 No user code under a lock.** Undos, wakers, hooks, observers, the body of a loop
//!   over a registry and the drop of keys and values may use this crate in any way. Only
//!   `Eq` and `Borrow` of keys run under a lock.
//! - **I9 No unsafe code**, and no runtime, clock or spawn in the core: they come in through
//!   the trait [`runtime::Runtime`].
//! - **I10 Bounded.** Connections that are in set-up, or closed and not settled, are in the
//!   way of no look-up and no join, however many there are. Whatever looks at all members
//!   holds a lock for at most 256 of them at a time.
//!
//! # Closed, then settled
//!
//! *Closed* is the atomic transition: from then on the connection is invisible and silent.
//! *Settled* is later: all its undos have run. [`Handle::closed`] and [`Handle::settled`]
//! wait for them, and resolve at once if they have passed.
//!
//! # Features
//!
//! - **`tokio`** (on by default): a tokio runtime is a [`runtime::Runtime`], and the one that
//!   the caller is in is found without being named.
//! - **`http-body`** (on by default): [`Live::body`], for bodies of HTTP messages, with
//!   heartbeats between server-sent events, and [topics](topic) of events that are encoded once
//!   for all.
//! - **`tower`**: a [layer](layer) that gives the streams of a server that exists their
//!   connections.
//! - **`axum`**: [`Error`] as a response, and the layer's connection as an extractor.
//! - **`tonic`**: [`Error`] as a status.
//! - **`tokio-util`**: `Handle::token`, a `CancellationToken` that is cancelled at the close.
//! - **`tracing`**: `observers::TracingObserver`, which emits events and gives each connection a
//!   span.
//! - **`metrics`**: `observers::MetricsObserver`, which records gauges, counters and histograms
//!   through the facade.
//!
#![doc = include_str!("../docs/comparison.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
mod panic;
mod shrink;
mod sync;
mod id;
pub mod state;
pub mod runtime;
mod error;
mod time;
mod lifecycle;
mod registry;
mod connection;
mod stream;
mod scope;
pub mod topic;
#[cfg(feature = "tower")]
pub mod layer;
pub mod observers;
pub mod future;
pub mod report;
pub mod guide;
#[cfg(doctest)]
mod misuse;

pub use connection::{Closing, Live, Pending, Registering};
pub use error::{Error, KeyError, OpenError};
pub use lifecycle::observer::Observer;
pub use lifecycle::{End, Handle};
pub use registry::{Conflict, Registry, RegistryBuilder};
pub use scope::{Scope, ScopeBuilder};
#[doc(no_inline)]
pub use state::{CloseReason, Closed, Phase, State};
#[cfg(feature = "http-body")]
pub use stream::LiveBody;
pub use stream::LiveStream;
pub use time::Deadlines;

/// The README's examples, compiled and run.
#[cfg(all(doctest, feature = "tower"))]
#[doc = include_str!("../README.md")]
struct Readme;

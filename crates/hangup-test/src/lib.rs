//! Finds the races of long-lived server streams in async handlers and in connection
//! managers, on any framework, whether they use [`hangup`] or not.
//!
//! At every `await` of a handler, the client can disconnect, the server can close the
//! connection, and a second connection can arrive under the same key. An ordinary test
//! covers one of these moments. [`abort_everywhere`] covers all of them. It runs a
//! handler once and counts the points at which it is suspended. It then runs the handler
//! again for every point and every ending, each time with a fresh server, and checks that
//! everything is released once all tasks are idle. The runs use the thread of the test,
//! never sleep, and are deterministic.
//!
//! # An existing handler in twenty lines
//!
//! This is an axum handler as many servers have it. Its guard is created one `await` too
//! late, and it removes whichever entry is under its key:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # fn main() {
//! # use std::collections::BTreeMap;
//! # use std::convert::Infallible;
//! # use std::sync::{Arc, Mutex};
//! # use axum::extract::{Path, State};
//! # use axum::response::{IntoResponse, Sse, sse::Event};
//! # use futures::{Stream, StreamExt};
//! # use tokio::sync::mpsc;
//! # use tokio_stream::wrappers::ReceiverStream;
//! # #[derive(Clone, Default)]
//! # struct App { writers: Arc<Mutex<BTreeMap<String, mpsc::Sender<String>>>> }
//! # struct RemoveOnDrop(App, String);
//! # impl Drop for RemoveOnDrop {
//! #     fn drop(&mut self) { self.0.writers.lock().unwrap().remove(&self.1); }
//! # }
//! # async fn load_backlog() -> Vec<String> { tokio::task::yield_now().await; Vec::new() }
//! async fn worker_stream(
//!     State(app): State<App>,
//!     Path(name): Path<String>,
//! ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     let (writer, events) = mpsc::channel(64);
//!     app.writers.lock().unwrap().insert(name.clone(), writer.clone());
//!     for event in load_backlog().await {
//!         let _ = writer.send(event).await;
//!     }
//!     let guard = RemoveOnDrop(app, name);
//!     Sse::new(ReceiverStream::new(events).map(move |event| {
//!         let _ = &guard;
//!         Ok(Event::default().data(event))
//!     }))
//! }
//!
//! // The test:
//! use hangup_test::{Client, Race, Trial, abort_everywhere};
//!
//! let connect = |app: App, client: Client| async move {
//!     let response = worker_stream(State(app), Path("ada".into())).await.into_response();
//!     client.respond(response.into_body().into_data_stream()).await;
//! };
//! let report = abort_everywhere(|_: &Trial| App::default(), connect)
//!     .entry("writers", |app| app.writers.lock().unwrap().contains_key("ada"))
//!     .on_tokio()
//!     .explore()
//!     .unwrap();
//!
//! assert!(report.races().contains(&Race::R13));
//! // The guard of the old connection removes the entry of a new one under the same key.
//! assert!(report.races().contains(&Race::R8));
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! A real test calls [`check`](AbortEverywhere::check) instead of `explore`. It panics
//! with the failures:
//!
//! ```text
//! - R13 the handler future is dropped in mid set-up: the entry in `writers` is left by the
//! connection; dropped at point 1, `suspension 1`
//!   alone: HANGUP_CASE='1:dropped' cargo test worker_stream_is_clean
//! ```
//!
//! # What is tried
//!
//! A *point* is a moment at which the handler is suspended: before its first poll, and
//! after each poll of the handler or of a task that [`Trial::spawn`] spawned. The client
//! reads the response with [`Client::respond`], which adds a point after the head and one
//! after each item. If the handler waits at a [`Trial::point`], the point has its label.
//! Between two statements, where a server on several threads can be interrupted too, a point
//! is where the code calls [`Trial::here`]. At each point, these endings are tried:
//!
//! | ending | what happens | tried |
//! |---|---|---|
//! | [`Dropped`](Ending::Dropped) | the future of the handler is dropped | always |
//! | [`Panic`](Ending::Panic) | the handler panics in its poll if it waits at a [`Trial::point`]; otherwise it is dropped during a panic | always |
//! | [`Newcomer`](Ending::Newcomer) | a second connection arrives; the first is dropped at each point of the second, or at the end | always |
//! | [`Successor`](Ending::Successor) | the handler is dropped; a second connection arrives after each turn of the tasks that remain | always |
//! | [`Visitor`](Ending::Visitor) | a second connection arrives and is dropped at each of its points | always |
//! | [`Stalled`](Ending::Stalled) | the client stops reading; then the server closes the connection | with `close`, where the client [reads](Client::reads) |
//! | [`StalledAtShutdown`](Ending::StalledAtShutdown) | the client stops reading; then the server shuts down | with `shutdown`, where the client reads |
//! | [`Signal`](Ending::Signal) | the signal of the request fires | if the handler asks for it |
//! | [`Closed`](Ending::Closed) | the server closes the connection | with [`close`](AbortEverywhere::close) |
//! | [`Shutdown`](Ending::Shutdown) | the server shuts down, then the process ends | with [`shutdown`](AbortEverywhere::shutdown) |
//! | [`Event`](Ending::Event) | an event of the test happens; the connection goes on | with [`event`](AbortEverywhere::event) |
//!
//! Between two statements the handler is in the middle of a poll: it is neither dropped nor
//! does it panic there, its client does not stop reading there, and all tasks but its own run
//! until they are idle, without time passing. A successor arrives there after the connection
//! was closed or its signal has fired.
//!
//! If more than one task is woken at a time, a case is run twice: once the oldest is polled
//! first and the tasks on a runtime come last, once the newest is polled first and the tasks
//! on a runtime precede it. This does not cover every interleaving; `loom` is a tool for
//! that.
//!
//! The [`Report`] lists the points and the endings at which the handler was interrupted.
//! A handler that is never suspended is an [error](ExploreError::NeverSuspends). A test
//! that relies on the interruption of a certain step asserts that the
//! [points](Report::points) contain it.
//!
//! # What is checked
//!
//! A [`Ledger`] records everything. The environment of the test writes into it (for
//! instance a fake router that records its calls), or the kit looks at the server between
//! two polls: [`resource`](AbortEverywhere::resource),
//! [`permit`](AbortEverywhere::permit), [`entry`](AbortEverywhere::entry),
//! [`timer`](AbortEverywhere::timer).
//!
//! - When all connections have ended and all tasks are idle, the server holds what it
//!   held before. Tasks count too: those of [`Trial::spawn`] and those on the runtime.
//! - Nothing is released twice, and nothing is acquired for a connection after its undo.
//! - A connection is not visible once it is dropped. A connection that reports when it is
//!   [live](Client::live) is not visible before.
//! - Between any two polls, a connection is visible in all of its indexes or in none.
//! - A connection that is open, alone and idle holds everything that an undisturbed
//!   connection holds.
//! - [Permits](Ledger::permit) are held while the response is streamed, and
//!   [caps](AbortEverywhere::at_most) are not exceeded.
//! - [Items](Client::delivered) arrive in order, each once, and none is missing.
//! - A connection that is closed ends, and a server that is told to shut down exits. If the
//!   client has stopped reading, the body is not polled, so it cannot end; but no permit is
//!   held for it once it is closed, it is visible in no index, and the shutdown exits too.
//! - A connection that nothing ends stays open: one that responds does not end after an
//!   event, nor because of the cleanup of another one. Whether a second connection may take
//!   over is up to the server: [`stays_open`](AbortEverywhere::stays_open) and
//!   [`one_per_key`](AbortEverywhere::one_per_key) say that it may not, or must.
//! - No task panics, also on the runtime.
//!
//! Anything that the first connection starts for the whole server counts as left behind.
//! Start it where the server is built.
//!
//! A [`Failure`] names the [`Race`] if the observations identify it. If two races look
//! alike from outside, it names one of them, and it says what can be done about it. Some
//! races are out of reach: a deadlock or a task that yields for ever hangs the test, and the
//! content of items is not inspected.
//!
//! # What does not repeat itself
//!
//! A handler has to come to each point as it did in the first run. `tokio::select!` begins at
//! a random branch unless it is `biased;`, a `HashMap` has a random order, and a number that
//! outlives the run changes a label. A case whose point is not reached in the same way is
//! tried again. If that does not help, the report lists it as
//! [not repeated](Report::not_repeated), beside what all other cases have found.
//!
//! # Without a runtime, and with one
//!
//! A handler needs no runtime: a task that is not woken is idle, and a [`Trial::timer`]
//! ticks a few times when no task is woken. `AbortEverywhere::on_tokio` (feature `tokio`)
//! runs handlers that spawn on tokio or use its timers, under a clock that advances by
//! itself. Tasks that `hangup` spawns there are tasks of the trial.
//!
//! `std::time::Instant` does not follow that clock: let the code under test read
//! `tokio::time::Instant`. A task that is left because it compares the other one, and a
//! patience that is shorter than a grace period, look like leaks. The report
//! [says so](Report::hints) where it can tell.
//!
//! # Whole servers
//!
//! A handler that is called as a function has no routing, no layers, no upgrade and no HTTP/2.
//! With the feature `hyper`, `Client::serve` serves a whole server over a pipe in memory, and the
//! second closure is the script of a client. Server-sent events of axum:
//!
//! ```
//! # #[cfg(feature = "hyper")]
//! # fn main() {
//! # use std::convert::Infallible;
//! # use axum::Router;
//! # use axum::extract::State;
//! # use axum::response::{Sse, sse::Event};
//! # use axum::routing::get;
//! # use futures::{Stream, StreamExt, stream};
//! # use hangup::{CloseReason, Scope};
//! # use hangup_test::{Client, Trial, abort_everywhere};
//! # async fn events(State(scope): State<Scope>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//! #     let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
//! #     let items = stream::iter(["hello"]).chain(stream::pending());
//! #     Sse::new(live.stream(items).map(|item| Ok(Event::default().data(item))))
//! # }
//! let script = |scope: Scope, client: Client| async move {
//!     let app = Router::new().route("/events", get(events)).with_state(scope);
//!     let response = client.serve(app).get("/events").await?;
//!     client.respond(response.into_body()).await;
//!     Ok::<_, hyper::Error>(())
//! };
//! abort_everywhere(|_: &Trial| Scope::new(), script)
//!     .resource("connections", |scope| scope.handles().len())
//!     .close(|scope| async move { scope.close_all(CloseReason::Idle) > 0 })
//!     .on_tokio()
//!     .check();
//! # }
//! # #[cfg(not(feature = "hyper"))]
//! # fn main() {}
//! ```
//!
//! When the script is dropped, the server reads the end of its connection. A slow reader is a
//! pipe that is not read, which is what happens to it at [`Ending::Stalled`]. The module `serve`
//! has WebSockets and gRPC, and says what each ending does to a server.
//!
//! # Managers of connections
//!
//! Registries, session managers and other connection managers have races of their own.
//! The module [`schedule`] draws interleavings of operations of several connections and
//! compares the manager with a reference.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Bottom-up: a module imports from the modules above it only.
mod panic;
mod race;
mod kind;
mod party;
mod ending;
mod fault;
mod advice;
mod ledger;
mod signal;
mod statement;
mod wires;
mod trial;
mod client;
#[cfg(feature = "hyper")]
pub mod serve;
mod waker;
#[cfg(feature = "tokio")]
mod on_tokio;
mod time;
mod plan;
mod hint;
mod report;
mod run;
mod causes;
mod exploration;
mod explore;
pub mod schedule;

pub use client::Client;
pub use ending::Ending;
pub use explore::{AbortEverywhere, abort_everywhere};
pub use fault::Fault;
pub use hint::Hint;
pub use kind::Kind;
pub use ledger::{Held, Ledger};
pub use party::Party;
pub use race::Race;
pub use report::{ExploreError, Failure, NotRepeated, Report};
pub use signal::{Fired, ListenerId, Signal};
pub use trial::{Point, Tick, Timer, Trial};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

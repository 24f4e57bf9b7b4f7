//! Finds the races of long-lived server streams in async handlers and in connection
//! managers, on any framework, whether they use [`hangup`] or not.
//!
//! A client may vanish, a server may close a connection, a second one may come under the
//! same key, at every `await` of a handler. An ordinary test sees one of these moments, if
//! it is lucky. [`abort_everywhere`] tries all of them: it runs a handler once and counts
//! the points at which it is suspended; then again for every point and every way to end it
//! there, each time with a fresh server; and when everything has come to rest it looks
//! whether everything is undone. It runs on the thread of the test, sleeps nowhere, and
//! finds the same each time.
//!
//! # An existing handler in twenty lines
//!
//! This is an axum handler as many servers have it. Its guard is made one `await` too late,
//! and removes whatever is under its key:
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
//! // And once the old one has gone, the new one is not to be found: its guard goes by key.
//! assert!(report.races().contains(&Race::R8));
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! In a test of one's own, [`check`](AbortEverywhere::check) stands where `explore` does
//! here, and panics with what was found:
//!
//! ```text
//! R13 the handler future is dropped in mid set-up: the entry in `writers` is left, of the
//! connection; dropped at point 1, `suspension 1`
//!   alone: HANGUP_CASE='1:dropped' cargo test worker_stream_is_clean
//! ```
//!
//! # What is tried
//!
//! A *point* is where the handler is suspended: before its first poll, and after each one,
//! of its own or of a task that was spawned with [`Trial::spawn`]. The client reads the
//! response with [`Client::respond`], so the points go on in there: after the head, and
//! after each item. A point has the label of the [`Trial::point`] where the handler waits,
//! if it waits at one. At each of them:
//!
//! | ending | what happens | tried |
//! |---|---|---|
//! | [`Dropped`](Ending::Dropped) | the handler's future is dropped | always |
//! | [`Panic`](Ending::Panic) | it panics in its poll if it waits at a [`Trial::point`]; else it is dropped as by a panic | always |
//! | [`Newcomer`](Ending::Newcomer) | a second connection comes, and the first goes at once, at each point of the second, or at the end | always |
//! | [`Successor`](Ending::Successor) | it is dropped, and a second connection comes after each turn of what that has left to be done | always |
//! | [`Visitor`](Ending::Visitor) | a second connection comes, and goes itself at each of its points | always |
//! | [`Signal`](Ending::Signal) | the request's signal fires | if the handler asks for it |
//! | [`Closed`](Ending::Closed) | the server closes it | with [`close`](AbortEverywhere::close) |
//! | [`Shutdown`](Ending::Shutdown) | the server shuts down, then the process ends | with [`shutdown`](AbortEverywhere::shutdown) |
//! | [`Event`](Ending::Event) | something else happens, and it goes on | with [`event`](AbortEverywhere::event) |
//!
//! Where tasks have been spawned or two connections are there, each case is tried twice:
//! the oldest has the first turn, and the newest. That is not every interleaving of them:
//! for that there is the sort of test that `loom` makes possible.
//!
//! That a handler was interrupted is said by the [`Report`], which lists the points and the
//! endings; a handler that is never suspended is an [error](ExploreError::NeverSuspends). A
//! test that means to interrupt a certain step asserts that its
//! [points](Report::points) are among them.
//!
//! # What is checked
//!
//! Everything is written down in a [`Ledger`], either by the environment of the test (a
//! fake router that notes what it is told), or by looking at the server between two polls:
//! [`resource`](AbortEverywhere::resource), [`permit`](AbortEverywhere::permit),
//! [`entry`](AbortEverywhere::entry), [`timer`](AbortEverywhere::timer).
//!
//! - When all connections are gone and all is at rest, everything is as it was before they
//!   came. Tasks are counted too: those of [`Trial::spawn`], and those on the runtime.
//! - Nothing is released twice, or acquired for a connection after its undo.
//! - A connection that is dropped is not to be found from that instant on, and one that
//!   says when it is [live](Client::live) not before.
//! - A connection is to be found in all the indexes in which it ends up, or in none,
//!   between any two polls.
//! - A connection that is open, alone and at rest has all that one has when nothing
//!   interferes: nobody has taken it away.
//! - [Permits](Ledger::permit) are held as long as the response is under way, and
//!   [caps](AbortEverywhere::at_most) are kept.
//! - [Items](Client::delivered) come in order, each once, all of them.
//! - A connection that is closed ends, and a server that shuts down exits.
//!
//! What the first connection starts for the whole server is left when it has gone: start
//! it where the server is built.
//!
//! A [`Failure`] names the [`Race`] if what was seen is enough to tell; of two that look
//! alike from outside it names one. Not every race is to be seen in this way: a deadlock,
//! or a task that yields for ever, hangs the test; a reader that stops reading is not
//! there, and nobody looks into the items.
//!
//! # Without a runtime, and with one
//!
//! A handler needs no runtime here: a task that nobody wakes is at rest, and timers of
//! [`Trial::timer`] tick when nothing else happens, a few times. What spawns on tokio or
//! uses its timers is run with `AbortEverywhere::on_tokio` (feature `tokio`), under a clock that
//! passes by itself.
//!
//! # Managers of connections
//!
//! What a handler relies on, a registry or a session manager, has races of its own:
//! [`schedule`] draws what several connections do to it, and compares it with a reference.

// Bottom-up: a module imports from those above it only.
mod panic;
mod race;
mod kind;
mod party;
mod ending;
mod fault;
mod ledger;
mod signal;
mod trial;
mod client;
mod waker;
#[cfg(feature = "tokio")]
mod on_tokio;
mod time;
mod plan;
mod report;
mod run;
mod explore;
pub mod schedule;

pub use client::Client;
pub use ending::Ending;
pub use explore::{AbortEverywhere, abort_everywhere};
pub use fault::Fault;
pub use kind::Kind;
pub use ledger::{Held, Ledger};
pub use party::Party;
pub use race::Race;
pub use report::{ExploreError, Failure, Report};
pub use signal::{Fired, ListenerId, Signal};
pub use trial::{Point, Tick, Timer, Trial};

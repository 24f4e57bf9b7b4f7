//! Whole servers: routing, layers, the connection, upgrades and HTTP/2.
//!
//! A handler that is called as a function is not all of a server. [`Client::serve`] serves one
//! connection with hyper, over a pipe in memory, and returns the client's end of it. The
//! *script* is then the client, and not the handler: it sends its request into the [`Pipe`], and
//! reads the response with [`Client::respond`]. Any tower service can be served, such as a
//! `Router` of axum and the `Routes` of tonic. Exploration needs
//! [`on_tokio`](crate::AbortEverywhere::on_tokio).
//!
//! # Clients
//!
//! A script may use any client library that takes a stream of bytes, as [`Pipe`] is
//! `AsyncRead` and `AsyncWrite`:
//!
//! - HTTP/1, for instance for server-sent events: [`Pipe::get`] and [`Pipe::send`]. The
//!   [example](crate#whole-servers) is on the front page.
//! - WebSocket: `tokio_tungstenite::client_async`, whose stream goes to `respond` as it is.
//! - gRPC: `tonic`, with [`Pipe::connector`].
//!
//! A WebSocket, in axum and tokio-tungstenite:
//!
//! ```
//! use axum::Router;
//! use axum::extract::ws::{WebSocket, WebSocketUpgrade};
//! use axum::routing::get;
//! use hangup_test::{Client, Trial, abort_everywhere};
//!
//! async fn echo(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         if socket.send(message).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! let server = |_: &Trial| {
//!     let upgrade = |ws: WebSocketUpgrade| async { ws.on_upgrade(echo) };
//!     Router::new().route("/echo", get(upgrade))
//! };
//! let script = |app: Router, client: Client| async move {
//!     let pipe = client.serve(app);
//!     let (socket, _) = tokio_tungstenite::client_async("ws://localhost/echo", pipe).await?;
//!     client.respond(socket).await;
//!     Ok::<_, tokio_tungstenite::tungstenite::Error>(())
//! };
//! abort_everywhere(server, script).on_tokio().check();
//! ```
//!
//! A stream of tonic, where `App` has `routes() -> tonic::service::Routes`, and `ChatClient` is
//! generated:
//!
//! ```text
//! let script = |app: App, client: Client| async move {
//!     let endpoint = Endpoint::from_static("http://localhost");
//!     let connector = client.serve(app.routes()).connector();
//!     let channel = endpoint.connect_with_connector(connector).await?;
//!     let watched = ChatClient::new(channel).watch(WatchRequest::default()).await?;
//!     client.respond(watched.into_inner()).await;
//!     Ok::<_, Box<dyn Error>>(())
//! };
//! ```
//!
//! The output of a script is dropped, so `?` ends a connection that the server refuses.
//!
//! # Endings
//!
//! When the script is dropped, or panics, its pipes are cut, whichever task of a client library
//! has them: the server reads the end of the stream. It cannot know before that the client has
//! gone. So what it acquires until then does not come after the end of the connection, and an
//! entry may be found until then. A handler that waits at a [`Trial::point`](crate::Trial::point)
//! waits there until the server has read the end.
//!
//! hyper then drops the handler if it still runs, or the body. If it has upgraded the connection,
//! the reader of the upgraded stream learns of the end; a loop that does not read never does.
//!
//! At [`Ending::Panic`](crate::Ending::Panic), if a handler behind hyper waits at a
//! [`Trial::point`](crate::Trial::point), it is that handler that panics there, and not the client.
//!
//! At [`Ending::Stalled`](crate::Ending::Stalled) and
//! [`StalledAtShutdown`](crate::Ending::StalledAtShutdown) the pipe is not read any more, by whatever
//! library: a slow reader needs no code. A pipe holds few bytes, and hyper 8 KiB before it, so
//! that a server has to wait soon. A test in which a handler has to wait for its reader sends a
//! large item, and a few more.
//!
//! A head that is on its way when the server shuts down looks like that of a connection which
//! goes live later. So a connection over a pipe has gone live after the shutdown only if the
//! server does not exit because of it.
//!
//! A permit that is given back while the client still reads the last bytes is given back in
//! time: it is looked at only while all tasks are idle.
//!
//! # What is a point
//!
//! The connection, and each stream of HTTP/2, is a task of the trial, and its polls are points.
//! Tasks that a framework spawns on tokio are not: the callback of `WebSocketUpgrade::on_upgrade`
//! in axum, and the tasks of a client of tonic. They run whenever the tasks of the trial are idle.
//! The last point is the moment at which everything is idle, so that each ending also happens
//! to a loop behind `on_upgrade` that waits. What such a loop does on the way there is not
//! interrupted in between, also not at a [`Trial::point`](crate::Trial::point).
//!
//! # Other servers
//!
//! [`Client::pipe`] returns both ends. The server's end goes to a builder of hyper with its own
//! limits, to `axum::serve` through a `Listener` of the test, or to a protocol of your own.
//! [`Trial::executor`](crate::Trial::executor) runs the future of such a connection, and what
//! hyper spawns for it, as tasks of the trial in which a handler panics.

// Bottom-up: a module imports from the modules above it only.
mod line;
mod pipe;
mod request;
mod connector;
mod connection;

pub use connection::TrialExecutor;
pub use connector::Connector;
pub use pipe::{Pipe, ServerEnd};
pub use request::ResponseBody;

#[cfg(doc)]
use crate::client::Client;

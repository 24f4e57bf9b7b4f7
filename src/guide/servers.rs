//! Put it into your server.
//!
//! Each section is what changes in a server that exists. Whole servers, each beside the same
//! server without the crate, are in the repository's
//! [`examples`](https://github.com/hangup-rs/hangup/tree/main/examples); there they are driven by
//! real clients that vanish, stop reading, and see a shutdown.
//!
//! # axum: server-sent events
//!
//! Feature `tower`. The handlers stay as they are.
//!
//! ```
//! # #[cfg(feature = "tower")]
//! # mod server {
//! use std::time::Duration;
//! use axum::Router;
//! use hangup::{Scope, layer::Admit, runtime::shutdown_signal};
//!
//! async fn serve(listener: tokio::net::TcpListener, app: Router) -> std::io::Result<()> {
//!     let scope = Scope::builder().max_connections(10_000).build();
//!     let admit = Admit::new(scope.clone()).heartbeat(Duration::from_secs(15));
//!     let drained = scope.drain_after(shutdown_signal()?, Duration::from_secs(10));
//!     let server = axum::serve(listener, app.layer(admit)).with_graceful_shutdown(drained);
//!     scope.serve(server).await.unwrap_or(Ok(()))
//! }
//! # }
//! ```
//!
//! A handler that registers its connection takes `layer::Admitted` as an argument (feature
//! `axum`), and answers errors with `?`:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod server {
//! # type Sse = String;
//! # struct App { users: Registry<String, ()> }
//! # async fn check(app: App) {}
//! use hangup::layer::Admitted;
//! use hangup::{Error, Registry};
//!
//! async fn events(admitted: Admitted, app: &App, user: String) -> Result<Sse, Error> {
//!     let mut setup = admitted.setup()?;
//!     // A newer stream of this user closes the older one, and waits until it is undone.
//!     setup.take_over(&app.users, user, ()).await?;
//!     setup.on_close(|| println!("gone"))?;
//!     Ok(Sse::new())
//! }
//! # }
//! ```
//!
//! Such a handler answers 406 to a client that does not ask for `text/event-stream` alone: try it
//! with `curl -H 'Accept: text/event-stream'`. A route that always streams says so:
//! `.route("/events", get(events).layer(admit.always()))`.
//!
//! # axum: WebSockets
//!
//! The loop runs on the connection, so a close from anywhere stops it; what it borrowed is free
//! again for the goodbye, and a shutdown waits for that.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # mod server {
//! # struct Socket;
//! # impl Socket {
//! #     async fn recv(&mut self) -> Option<String> { None }
//! #     async fn send_close(&mut self, code: u16) {}
//! # }
//! use hangup::{Error, Registering, Scope};
//!
//! async fn upgrade(scope: &Scope, socket: Socket) -> Result<(), Error> {
//!     // Refused before the upgrade: `?` is a 503 with a `Retry-After`.
//!     let setup = scope.open()?.register()?;
//!     tokio::spawn(talk(setup, socket)); // `ws.on_upgrade(|socket| talk(setup, socket))`
//!     Ok(())
//! }
//!
//! async fn talk(setup: Registering, mut socket: Socket) {
//!     // Live where the socket is, so that a goodbye belongs to the connection.
//!     let Ok(live) = setup.go_live() else { return };
//!     let talked = live.run(async { while let Some(text) = socket.recv().await { drop(text) } });
//!     if let Err(closing) = talked.await {
//!         let code = Error::from(closing.closed()).close_code(); // 1001 at a shutdown
//!         let _ = closing.farewell(|_| socket.send_close(code)).await;
//!     }
//! }
//! # }
//! ```
//!
//! # tonic
//!
//! Feature `tonic`: the layer, and the crate's errors as statuses. A stream that is closed ends
//! with its `grpc-status`.
//!
//! ```
//! # #[cfg(feature = "tonic")]
//! # mod service {
//! # struct Watch;
//! use hangup::layer::Admitted;
//! use tonic::{Request, Response, Status};
//!
//! // In `main`: `Server::builder().layer(Admit::new(scope.clone())).add_service(..)`,
//! // `.serve_with_shutdown(addr, scope.drain_after(signal, deadline))` in `scope.serve(..)`.
//!
//! async fn watch(request: Request<()>) -> Result<Response<Watch>, Status> {
//!     let mut setup = Admitted::of(request.extensions())?.setup()?;
//!     setup.on_close(|| println!("gone"))?;
//!     Ok(Response::new(Watch))
//! }
//! # }
//! ```
//!
//! Unary calls have a place under the cap too, health checks among them: they are refused when
//! it is reached, and in a drain. To admit the streams alone, name them:
//! `.when(|head| head.uri.path() == "/chat.Chat/Watch")`.
//!
//! # actix-web
//!
//! actix-web has layers of its own, so the handler opens the connection, and its body is the
//! connection's stream:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # mod handler {
//! # use bytes::Bytes;
//! # use futures::Stream;
//! use hangup::{Error, Scope};
//!
//! fn events(
//!     scope: &Scope,
//!     source: impl Stream<Item = Bytes> + 'static,
//! ) -> Result<impl Stream<Item = Bytes> + 'static, Error> {
//!     let goodbye = |_| Some(Bytes::from_static(b"event: closed\ndata: bye\n\n"));
//!     Ok(scope.live()?.stream(source).farewell(goodbye)) // for `HttpResponse::streaming`
//! }
//! # }
//! ```
//!
//! [`Error`](crate::Error) is no `ResponseError`, which is a trait of actix-web: answer with a type
//! of your own that has one, from [`http_status`](crate::Error::http_status) and
//! [`retry_after`](crate::Error::retry_after). actix-web notices that a client
//! is gone when it writes, and lets a set-up run to its end, so
//! [`heartbeat`](crate::LiveStream::heartbeat) and [`Deadlines::setup`](crate::Deadlines::setup)
//! are not optional there.
//!
//! Its server listens to signals by itself: `disable_signals()`, then
//! `drained.then(move |()| handle.stop(true))` in a task, and the server in
//! [`Scope::serve`](crate::Scope::serve).
//!
//! # rmcp
//!
//! Streamable HTTP is a service of tower, mounted on axum: the layer is that of axum above, around
//! the whole router. The streams are admitted, have goodbyes and end at a shutdown. The sessions
//! stay those of rmcp: the token of its configuration ends them all at once, so cancel it when the
//! drain is over, after the goodbyes.
//!
//! A session is a connection without a stream. To have them under a scope, with a cap and an
//! [idle deadline](crate::Deadlines::idle), wrap rmcp's `LocalSessionManager`. A whole
//! [wrapper](https://github.com/hangup-rs/hangup/blob/main/examples/rmcp-server/src/sessions.rs)
//! is in the example `rmcp-server-sessions`, to be copied. This is its core:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # mod manager {
//! # use std::sync::Arc;
//! # use hangup::{Error, Registry, Scope};
//! # type Id = Arc<str>;
//! # struct Local;
//! # impl Local {
//! #     async fn create_session(&self) -> Id { "5f3a".into() }
//! #     async fn close_session(&self, id: &Id) {}
//! # }
//! # struct Sessions { scope: Scope, local: Arc<Local>, open: Registry<Id, ()> }
//! # impl Sessions {
//! async fn create_session(&self) -> Result<Id, Error> {
//!     let mut setup = self.scope.open()?.register()?; // the cap, and its end in a drain
//!     let (local, id) = (self.local.clone(), self.local.create_session().await);
//!     let key = id.clone(); // no await from there to here
//!     setup.on_close_async("session", move || async move { local.close_session(&key).await })?;
//!     setup.join(&self.open, id.clone(), ())?;
//!     setup.go_live()?.hold_open()?;
//!     Ok(id)
//! }
//! # }
//! # }
//! ```
//!
//! rmcp makes a 500 of every error of its manager: the example's `answer`, a middleware, makes it
//! 503 with `Retry-After`, or 404. While a tool runs, rmcp takes up to five seconds to end a
//! session, so choose the deadlines of drains and undos above that. Its own keep-alives double the
//! layer's heartbeats: set `sse_keep_alive` to `None`, or leave the layer's out.
//!
//! Each message, and each poll of its streams, [touches](crate::Handle::touch) the session, and a
//! `DELETE` closes it in the registry and waits until it has [settled](crate::Registry::settled).

//! Testing your handlers.
//!
//! The crate `hangup-test` runs an `async` handler once, counts the points at which it is
//! suspended, and runs it again for every point and every way to end it there: dropped, a panic,
//! the request's signal, a close, a shutdown, a second connection under the same key, a client
//! that stops reading. After each run it checks that nothing is left. The handler need not use
//! this crate.
//!
//! For a handler of axum that keeps its writers in a map:
//!
//! ```text
//! use hangup_test::{Client, Trial, abort_everywhere};
//!
//! #[test]
//! fn nothing_is_left_of_a_stream() {
//!     let connect = |app: App, client: Client| async move {
//!         let response = events(State(app), Path("ada".into())).await.into_response();
//!         client.respond(response.into_body().into_data_stream()).await;
//!     };
//!     abort_everywhere(|_: &Trial| App::default(), connect)
//!         .entry("writers", |app| app.writers.lock().unwrap().contains_key("ada"))
//!         .on_tokio()
//!         .check();
//! }
//! ```
//!
//! A server on several threads is also interrupted between two statements: a call of
//! `trial.here("between the look and the add")` makes that a point. With the feature `hyper`,
//! `client.serve(app)` serves a whole router over a pipe, and any client of SSE, WebSockets or
//! gRPC reads it.
//!
//! The same is compiled and run in the documentation of that crate, `cargo doc --open -p
//! hangup-test`, with the handler that fails it. The names of what it finds are those of
//! [`symptoms`](super::symptoms).

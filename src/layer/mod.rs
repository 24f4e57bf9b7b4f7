//! Connections for the streams of a server that exists, with its handlers as they are: a layer
//! of [tower](https://docs.rs/tower).
//!
//! [`Admit`] is the layer. What a handler may do with its connection is at [`Admitted`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # async fn events() {}
//! # let signal = std::future::ready(());
//! use std::time::Duration;
//! use axum::Router;
//! use axum::routing::get;
//! use hangup::Scope;
//! use hangup::layer::Admit;
//!
//! let scope = Scope::new();
//! let app = Router::new().route("/events", get(events)).layer(Admit::new(scope.clone()));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let drained = scope.drain_after(signal, Duration::from_secs(10));
//! let server = axum::serve(listener, app).with_graceful_shutdown(drained);
//! scope.serve(server).await.transpose()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is refused
//!
//! A request that is not admitted is answered by the [table](crate::Error) of the crate's errors,
//! in the form of its protocol:
//!
//! - for gRPC, with a `grpc-status` and without a body;
//! - for the `EventSource` of a browser, which any other status ends for good, with 200 and a
//!   `retry:` field, if it makes sense to come back. It is known by an `Accept` of
//!   `text/event-stream` alone, beside a `Sec-Fetch-Mode`;
//! - else with the status, a `Retry-After` and a text.

mod protocol;
mod admitted;
mod refusal;
mod settings;
mod parting;
mod body;
mod service;
mod admit;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "tonic")]
mod tonic;

pub use admit::Admit;
pub use admitted::{Admitted, Setup};
pub use body::AdmitBody;
pub use protocol::asks_for_stream;
pub use service::{AdmitFuture, AdmitService};

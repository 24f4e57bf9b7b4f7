//! A live page for the connections of a [`hangup::Scope`]: who is connected, since when, under
//! which keys, what they wait for, why the others have ended, how many were refused, and how far
//! a drain is. It ends a connection by hand, or all that hold a key.
//!
//! It is a [tower](https://docs.rs/tower-service) service to be mounted at a path of one's choice,
//! and one HTML document: there is nothing to build and nothing to load from elsewhere.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use axum::Router;
//! use hangup::{Conflict, Registry, Scope};
//! use hangup_console::{Console, ConsoleObserver};
//! use http::header::COOKIE;
//!
//! let observer = ConsoleObserver::new();
//! let scope = Scope::builder()
//!     .observer(observer.clone()) // beside another one: a pair, `(observer.clone(), other)`
//!     .clock(Instant::now)
//!     .unsettled_after(Duration::from_secs(30))
//!     .build();
//! let workers: Registry<String, ()> = Registry::builder(Conflict::Replace)
//!     .name("workers")
//!     .build();
//!
//! # fn is_of_an_operator(_: &[u8]) -> bool { true }
//! let console = Console::builder(scope.clone())
//!     .title("gateway")
//!     .observer(&observer)
//!     .allow(|head| {
//!         let cookie = head.headers.get(COOKIE);
//!         cookie.is_some_and(|cookie| is_of_an_operator(cookie.as_bytes()))
//!     })
//!     .build();
//! let app: Router = Router::new().nest_service("/console", console.service());
//! # let _ = (app, workers);
//! ```
//!
//! # What it shows, and what that takes
//!
//! | it shows | if |
//! |---|---|
//! | the connections by phase, the cap, why those that have settled ended, what was refused | always |
//! | labels | the application gives [labels](hangup::Pending::label) |
//! | keys, and a button that ends all under one | the registries have [names](hangup::RegistryBuilder::name) |
//! | ages, the time in a phase, and what is [stuck](ConsoleBuilder::stuck_after) | the scope has a [clock](hangup::ScopeBuilder::clock) |
//! | for how long a client is idle | the connection has [deadlines](hangup::Deadlines) |
//! | the latest closes with reason and words, rejections, the progress of a drain | the scope has a [`ConsoleObserver`], and the [builder](ConsoleBuilder::observer) too |
//! | what the sweeps tell as unsettled | besides, the scope has a [time](hangup::ScopeBuilder::unsettled_after) for it |
//!
//! # What you can rely on
//!
//! - **Closed by default.** Without [`allow`](ConsoleBuilder::allow) every request is answered
//!   with 403, and no other route is told from one that does not exist.
//! - **It tells once a second at most**, and each page is told of the fifty rows that it shows.
//! - **Its work is bounded.** All pages share one list of the connections, which is made anew when
//!   a page asks, and so seldom that the work takes no more than about three percent of a core:
//!   with very many connections, or on a busy machine, the updates are further apart. No lock of
//!   the scope is held for more than 256 connections, and a long search lets other tasks run.
//!   `cargo run --release -p hangup-console --example hundred_thousand` measures it.
//! - **Its memory is bounded.** It keeps what a [`ConsoleObserver`] says, and while pages are open
//!   one handle per connection; while one of them filters or sorts by label, the beginning of its
//!   label and keys too. When the last page is gone, nothing of a connection is kept.
//! - **It is not in the way.** Its streams are connections of a [scope of its
//!   own](Console::streams): they take no place of the scope that is shown, so a full server can
//!   be looked at. They see a drain to its end, and end with it.
//! - **A bad request changes nothing**, and is told what is wrong with it, by a status of 4xx.
//!
//! # What it does not do
//!
//! - Of more than 2,048 rows, or without a clock, the order by age is that of the ids. Each thread
//!   takes 64 of them at a time, so of connections that different threads opened a younger one may
//!   come before an older one; the ages themselves are exact.
//! - A filter sees a new connection and one in another phase with the next update. A label or a
//!   key that changes without it is seen within 25 updates at 100,000 connections, and at once up
//!   to 4,096. A filter looks at the first 240 bytes of a label and of a key.
//! - It is about one process. It has no history beyond what its observer keeps: for that, see
//!   `hangup::observers`.
//!
//! # Security
//!
//! What the page shows may be private, and its buttons end what others use. So:
//!
//! - `allow` is for what your application knows of a session. An address is not enough: a browser
//!   on the same machine sends what any site asks it to, and a name of that site may lead to
//!   127.0.0.1. Check a cookie or a header of your own, and the `Host` if the server is local.
//! - Let operators only look by [`allow_end`](ConsoleBuilder::allow_end).
//! - A form is taken with the token of this console alone. The token is random, is told in the
//!   stream of the page, and is compared in constant time. A form or a stream that another site
//!   asks for is refused, by `Sec-Fetch-Site`, else by `Origin` against `Host`.
//! - The page has a content security policy with a nonce, may not be framed, is never stored, and
//!   makes no markup of any value.
//! - An open stream ends after ten minutes and comes again, so that `allow` is asked again.
//! - How long a request may take to come is for the server to say, as for all its routes.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
mod clip;
mod cooperate;
mod secret;
mod body;
mod refusal;
mod fields;
mod site;
mod view;
mod recent;
mod observer;
mod details;
mod roll;
mod select;
mod report;
mod watch;
mod events;
mod end;
mod page;
mod shared;
mod service;
mod console;

pub use body::ConsoleBody;
pub use console::{Console, ConsoleBuilder};
pub use observer::ConsoleObserver;
pub use service::{ConsoleFuture, ConsoleService};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

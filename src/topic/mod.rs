//! A log that many connections read: backlog and live items without a gap.
//!
//! A [`Topic`] keeps what was published for a while, and a [`Subscription`] is a place in it.
//! So there is no seam between a backlog and what is published while it is replayed, and none
//! between two connections of one client: it goes on behind the [`Cursor`] of its last item, or
//! is told of the [`Gap`].
//!
//! | you want to | use |
//! |---|---|
//! | go on after a `Last-Event-ID` | [`Replay::resume`] |
//! | have a topic per user, room or agent | [`Topics`] |
//! | keep some items longer than others | [`Lane`] |
//! | keep a value, which each item overwrites | [`Retention::latest`] |
//! | close a connection that is too slow | [`Subscription::close_on_gap`] |
//! | end all subscribers after what was accepted, each with its farewell | [`Topic::close`], [`Subscription::for_connection`] |
//! | feed it from an engine that several nodes share | [`TopicBuilder::fed`], [`TopicBuilder::backfill`] |
//! | send server-sent events, encoded once for all | `SseEvent`, `EventBody` |
//!
//! # Example
//!
//! The events of an agent. A client that reconnects sends the id of its last event:
//!
//! ```
//! # use futures::{Stream, StreamExt};
//! use hangup::topic::{Replay, Retention, Topic, Topics};
//! use hangup::{CloseReason, Conflict, Registry, Scope};
//!
//! struct App {
//!     scope: Scope,
//!     agents: Registry<String, ()>,
//!     topics: Topics<String, String>,
//! }
//!
//! fn events(
//!     app: &App,
//!     agent: &str,
//!     last_event_id: Option<&str>,
//! ) -> Result<impl Stream<Item = String> + use<>, Box<dyn std::error::Error>> {
//!     let mut setup = app.scope.open()?.register()?;
//!     setup.join(&app.agents, agent.to_owned(), ())?;
//!     let live = setup.go_live()?;
//!     // Before or after `go_live`: nothing is lost and nothing is doubled.
//!     let events = app.topics.subscribe(agent, Replay::resume(last_event_id, Replay::All))?;
//!     let events = events.for_connection(live.handle()).map(|event| match event {
//!         Ok(event) => format!("id: {}\ndata: {}\n\n", event.cursor(), *event),
//!         Err(gap) => format!("id: {}\nevent: gap\ndata: {gap}\n\n", gap.resume),
//!     });
//!     Ok(live.stream(events).farewell(|_| Some("event: closed\ndata:\n\n".to_owned())))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let app = App {
//! #     scope: Scope::new(),
//! #     agents: Registry::new(Conflict::share_unbounded()),
//! #     topics: Topics::new(Topic::builder(Retention::items(100)))?,
//! # };
//! let first = app.topics.publish("ada", "first".to_owned())?;
//! let second = app.topics.publish("ada", "second".to_owned())?;
//! let seen = first.to_string();
//! let mut events = futures::executor::block_on_stream(events(&app, "ada", Some(&seen))?);
//! assert_eq!(events.next().unwrap(), format!("id: {second}\ndata: second\n\n"));
//!
//! app.topics.publish("ada", "accepted".to_owned())?;
//! app.topics.close("ada", CloseReason::Shutdown);
//! assert!(events.next().unwrap().ends_with("data: accepted\n\n"));
//! assert_eq!(events.next().unwrap(), "event: closed\ndata:\n\n");
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! One lock for each publish and for each item that a subscriber takes, held for a bounded time;
//! a subscriber that is behind takes up to sixteen items under one lock. To publish wakes those
//! who wait, with no lock held; [`TopicBuilder::max_inline_wakes`] bounds how many of them the
//! publisher wakes itself. A subscriber that does not read costs nothing and delays none.

mod cursor;
mod gap;
mod replay;
mod retention;
mod published;
mod error;
mod ring;
mod told;
mod log;
mod waiting;
mod waker_kinds;
mod clock;
mod backfill;
mod shared;
mod ahead;
mod subscription;
mod gap_as;
mod builder;
#[expect(clippy::module_inception, reason = "a topic is the idea of its file")]
mod topic;
mod keys;
mod by_key;
mod topics;
mod topics_builder;
#[cfg(feature = "http-body")]
mod sse_event;
#[cfg(feature = "http-body")]
mod event_body;

pub use backfill::{BackfillError, BackfillStream};
pub use builder::TopicBuilder;
pub use cursor::{Cursor, ParseCursorError};
pub use error::{BuildTopicError, PublishError, SubscribeError};
#[cfg(feature = "http-body")]
pub use event_body::EventBody;
pub use gap::Gap;
pub use gap_as::GapAs;
pub use published::Published;
pub use replay::Replay;
pub use retention::{Lane, Retention};
#[cfg(feature = "http-body")]
pub use sse_event::SseEvent;
pub use subscription::Subscription;
pub use topic::Topic;
pub use topics::Topics;
pub use topics_builder::TopicsBuilder;

//! Events to the subscribers of all nodes, with replay: a client goes on behind its last event
//! on whichever node it reconnects to.
//!
//! The items are in the [log](crate::engine::Log) of an engine. A node reads each topic once,
//! whatever the number of its subscribers, and keeps the last items decoded in a ring, from which
//! all of them read. What a subscriber asks for and the ring has not, it reads from the log
//! itself, and goes on in the ring where it meets it.
//!
//! # What is promised
//!
//! After a cursor, from any node, a subscription yields every event that the log retains, once
//! and in order, or a [`Gap`] that says what is lost. The log alone says what is lost: an engine
//! that is away, a node that is behind and a client that is slow lose nothing. Publishing is at
//! least once: see [`Topics::publish`].
//!
//! That is as far as the engine keeps what it has acknowledged. One that loses its tail without
//! beginning another incarnation, by a fail-over for instance, is told as a gap by the nodes
//! that notice; one that has given the same numbers anew by then cannot be noticed.
//!
//! # What it costs
//!
//! One subscription of the engine and one task for each key in use on a node; the ring; and for
//! each subscriber its place in the ring. A subscriber that is older than the ring has a
//! subscription of its own at the engine until it has caught up.
//!
//! When a key comes into use on a node, its ring begins where the first subscriber does, for at
//! most half a second of reading: so clients that move to a new node together share it. An
//! older backlog is read by those alone who ask for it, and holds up no one else.
//!
//! # Examples
//!
//! A client that moves from node to node:
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures::StreamExt;
//! use hangup::topic::Replay;
//! use hangup_cluster::fan_out::{TopicName, Topics};
//! use hangup_cluster::memory::Memory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let memory = Memory::on_current()?;
//! // What the clients get is made once on each node.
//! let node = || {
//!     Topics::builder(Arc::new(memory.link()), |cursor, bytes| {
//!         format!("id: {cursor}\ndata: {}\n\n", String::from_utf8_lossy(bytes))
//!     })
//!     .build()
//! };
//! let (a, b) = (node()?, node()?);
//! let agent: TopicName = "agent-7".parse()?;
//!
//! let mut events = a.subscribe(&agent, Replay::Now).await?;
//! let first = a.publish(&agent, "first").await?;
//! b.publish(&agent, "second").await?;
//! let event = events.next().await.unwrap()?;
//! assert_eq!(*event, format!("id: {first}\ndata: first\n\n"));
//! let last_event_id = event.cursor().to_string();
//! drop(events);
//!
//! let replay = Replay::resume(Some(last_event_id), Replay::All);
//! let mut events = b.subscribe(&agent, replay).await?;
//! assert!(events.next().await.unwrap()?.ends_with("data: second\n\n"));
//! # Ok(())
//! # }
//! ```
//!
//! As the source of a connection's stream:
//!
//! ```
//! use futures::{Stream, StreamExt};
//! use hangup::Scope;
//! use hangup::topic::Replay;
//! use hangup_cluster::fan_out::{TopicName, Topics};
//!
//! async fn events(
//!     scope: &Scope,
//!     topics: &Topics<String>,
//!     agent: &TopicName,
//!     last_event_id: Option<&str>,
//! ) -> Result<impl Stream<Item = String> + use<>, Box<dyn std::error::Error>> {
//!     let live = scope.open()?.register()?.go_live()?;
//!     let events = topics.subscribe(agent, Replay::resume(last_event_id, Replay::All)).await?;
//!     let events = events.for_connection(live.handle()).map(|event| match event {
//!         Ok(event) => event.to_string(),
//!         Err(gap) => format!("id: {}\nevent: gap\ndata: {gap}\n\n", gap.resume),
//!     });
//!     Ok(live.stream(events).farewell(|_| Some("event: closed\ndata:\n\n".to_owned())))
//! }
//! # let _ = events;
//! ```

mod name;
mod gap;
mod error;
mod backoff;
mod source;
mod ring;
mod feed;
mod feeds;
mod feeder;
mod subscription;
mod publish;
mod topics;
mod builder;

pub use builder::TopicsBuilder;
pub use error::{BuildTopicsError, PublishError, SubscribeError};
pub use gap::Gap;
pub use name::{NameError, TopicName};
pub use ring::Event;
pub use subscription::Subscription;
pub use topics::Topics;

//! Several nodes for `hangup`: one connection per key, presence, and fan-out with replay, on an
//! engine that is there already.
//!
//! A reconnect lands on another node, and the old node's stream has to end, and its undo be over,
//! before the newcomer sets up. An event has to reach streams on whichever node. A deploy drains one
//! node while the others take over. A node dies without a word. This crate is the protocol for that;
//! what is decided is decided by compare-and-swap in an [`engine`] that exists: NATS JetStream
//! in `hangup-nats`, Redis or Valkey in `hangup-redis`, and [`memory`] for tests and single nodes.
//! It has no consensus, no broker and no store of its own.
//!
//! | you want to | use |
//! |---|---|
//! | join a cluster, and leave it | [`Cluster::builder`], [`Cluster::leave`] |
//! | have one connection per key, whichever node it is on | [`RegisteringExt::claim`] |
//! | have what it does fenced | [`Claim::epoch`] |
//! | know whether all that was done before is undone | [`Claim::predecessor`] |
//! | stop at the instant at which another node may take over | [`OnLapse::Close`], [`Claim::gate`] |
//! | sit out an engine that is away | [`OnLapse::Hold`] |
//! | look up who has a key, and end it | [`Cluster::whereis`], [`Cluster::close`] |
//! | count who is live under a key | [`LiveExt::present`], [`Cluster::count`] |
//! | see the nodes | [`Cluster::nodes`] |
//! | publish on any node, and go on from any node's event id | [`fan_out`] |
//! | run it on an engine of your own | [`engine`], `conformance` |
//!
//! # Example
//!
//! A worker: one connection per name in the whole cluster. One line more than on one node, and the
//! epoch in what acts on the outside.
//!
//! ```
//! # use std::sync::Arc;
//! # struct Router;
//! # impl Router {
//! #     async fn reset(&self, _: &str, _: Epoch) {}
//! #     async fn resume(&self, _: &str, _: Epoch) {}
//! #     async fn pause(&self, _: &str, _: Epoch) {}
//! # }
//! use futures::{Stream, StreamExt, stream};
//! use hangup::Scope;
//! use hangup_cluster::{Cluster, Epoch, Predecessor, RegisteringExt};
//!
//! async fn worker_stream(
//!     scope: &Scope,
//!     cluster: &Cluster,
//!     router: Arc<Router>,
//!     name: &'static str,
//! ) -> Result<impl Stream<Item = u32> + use<>, Box<dyn std::error::Error>> {
//!     let mut setup = scope.open()?.register()?;
//!     // The owner before has closed and settled, on whichever node. Before anything that it
//!     // protects.
//!     let claim = setup.claim(&cluster.key("worker", name)?).await?;
//!     let epoch = claim.epoch();
//!     if claim.predecessor() == Predecessor::Unsettled {
//!         // It died, or gave an undo up.
//!         router.reset(name, epoch).await;
//!     }
//!     let paused = Arc::clone(&router);
//!     let pause = move || async move { paused.pause(name, epoch).await };
//!     setup.run(router.resume(name, epoch)).undo_async("pause", pause).await?;
//!     let live = setup.go_live()?;
//!     // Yields nothing while another node may own the key.
//!     Ok(live.stream(stream::iter(1..)).gate(claim.gate()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use hangup_cluster::memory::Memory;
//! let engine = Memory::on_current()?;
//! let cluster = Cluster::builder(engine).node("a").build().await?;
//! let scope = Scope::new();
//! let mut jobs = Box::pin(worker_stream(&scope, &cluster, Arc::new(Router), "ada").await?);
//! assert_eq!(jobs.next().await, Some(1));
//! assert_eq!(cluster.whereis(cluster.key("worker", "ada")?).await?.unwrap().node, "a");
//!
//! scope.drain(std::time::Duration::from_secs(5)).await?;
//! cluster.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! 1. Of all writes that carry the epoch to a resource which refuses lower ones, those of one owner
//!    only succeed from the moment the successor's first one has.
//!
//!    **Not**: "there is never more than one owner".
//! 2. If the old node lives, reaches the engine and its undo ends within the deadline, the
//!    successor's set-up begins after the old connection has *settled*.
//!
//!    **Not** otherwise: then [`Claim::predecessor`] is [`Unsettled`](Predecessor::Unsettled), and
//!    the old undo may still run, **later than your set-up: give it the epoch**.
//! 3. A cut-off node stops yielding before anyone can succeed it, if no clock runs 10 % faster than
//!    another and the process is not stopped. Under [`OnLapse::Close`] it starts its undo then, and
//!    one shorter than the [margin](ClusterBuilder::margin) has ended in time. Under
//!    [`Hold`](OnLapse::Hold) the undo comes when the loss is known, perhaps after your set-up. A
//!    process that was stopped yields no item in a poll that began after the lapse.
//!
//!    **Not**: one action that passed the check before the stop may still go out. In a suspended
//!    virtual machine the clock may stand still; only the fence helps.
//! 4. A dead node's keys can be claimed one lease after its last renewal, at most; look-ups do not
//!    show them any longer than that. Presence is what the engine knew at one instant.
//!
//!    **Not**: it may be stale when you look.
//! 5. Replay after a cursor yields every retained event after it once, in order, from any node, or a
//!    gap. Publishing is at least once.
//!
//!    **Not** exactly once: an unknown outcome that is tried again may double, unless the engine
//!    remembers ids, as those of this workspace do for a while.
//! 6. Of two newcomers the one whose reservation the engine took later wins; the other ends. Nothing
//!    is claimed while the engine is away. What is held under [`Hold(d)`](OnLapse::Hold) stays open
//!    for `d`, silent, and goes on if nobody has succeeded it.
//!
//!    **Not**: it is the node's lease, and not the key's, that comes back. So the first key of a node
//!    that another node takes while it is silent ends all that the node holds. A newcomer that was
//!    refused is not told when the engine is back; it comes again after
//!    [`retry_after`](ClaimError::retry_after).
//! 7. All of it as far as the engine keeps what it acknowledged: NATS on three servers with
//!    `sync_interval: always`, or Redis with `appendfsync always` on one primary. An engine that has
//!    forgotten everything is noticed by its incarnation, and everything closes as
//!    [`Lost`](hangup::CloseReason::Lost).
//!
//!    **Not**: an engine that was restored from an old snapshot is not noticed.
//!
//! # What it costs
//!
//! The claim of a free key is one write, its release another one, a take-over some six. A node
//! renews one record, every third of its lease, however many keys its connections have. A key that
//! is free again leaves nothing; the record of a key whose node died stays until the key is claimed
//! again.
//!
//! # Features
//!
//! - **`conformance`**: the suite that every engine has to pass.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The modules, bottom-up: a module imports only from those listed above it (`ci/imports`).
pub mod engine;
mod epoch;
mod contain;
mod signal;
mod waiters;
mod lease;
pub mod fan_out;
mod key;
mod record;
mod hint;
mod error;
mod node;
mod cluster;
mod builder;
mod claim;
pub mod memory;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;

pub use builder::ClusterBuilder;
pub use claim::{Claim, Claiming, LiveExt, RegisteringExt};
pub use cluster::{CloseError, Cluster, ClusterKey, Location};
pub use epoch::Epoch;
pub use error::{ClaimError, JoinError};
pub use key::{Key, KeyTooLong};
pub use node::{NodeInfo, OnLapse, Predecessor};

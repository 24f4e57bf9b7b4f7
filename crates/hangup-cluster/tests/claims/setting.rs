//! Two nodes on one engine, and connections that claim a key.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup::{CloseReason, Deadlines, Handle, Live, Scope};
use hangup_cluster::engine::{Claims, Record};
use hangup_cluster::memory::{Link, Memory};
use hangup_cluster::{Claim, ClaimError, Cluster, OnLapse, RegisteringExt};

use crate::explore::Choices;
use crate::resource::Resource;
use crate::scheduled::{Queue, Scheduled};
use crate::world::World;

pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// When the nodes of a setting were renewed before it begins: a third of the lease, three times.
pub(crate) const RENEWED: Duration = LEASE;
/// How often an owner acts.
pub(crate) const ACT_EVERY: Duration = Duration::from_millis(10);
/// How long an undo takes.
pub(crate) const UNDO: Duration = Duration::from_millis(30);

/// The record of the key that all connections claim.
pub(crate) const RECORD: &str = "k.worker=_ada";

/// A node, with the scope of its connections.
#[derive(Clone)]
pub(crate) struct TestNode {
    pub(crate) cluster: Cluster,
    pub(crate) scope: Scope,
    pub(crate) link: Link,
}

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) memory: Memory,
    pub(crate) queue: Queue,
    pub(crate) resource: Resource,
    pub(crate) nodes: Vec<TestNode>,
}

/// What became of a connection that claims.
#[derive(Clone, Default)]
pub(crate) struct Outcome(Arc<Mutex<Option<Result<Claim, ClaimError>>>>);

impl Outcome {
    pub(crate) fn get(&self) -> Option<Result<Claim, ClaimError>> {
        self.0.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn claim(&self) -> Claim {
        self.get()
            .expect("it has not ended")
            .expect("it has the key")
    }
}

/// A connection: what became of its claim, and how to end it.
pub(crate) struct Connection {
    pub(crate) outcome: Outcome,
    pub(crate) handle: Handle,
}

impl Setting {
    /// Nodes that have been there for a while.
    pub(crate) fn new(nodes: usize) -> Self {
        let setting = Self::young(nodes);
        // Then the engine is not young any more, and the latest renewal was sent at `RENEWED`.
        setting.pass(RENEWED + Duration::from_millis(1));
        setting
    }

    /// Nodes that have just joined an engine that has just begun.
    pub(crate) fn young(nodes: usize) -> Self {
        Self::with_timeout(nodes, Duration::from_millis(500))
    }

    /// The same, on an engine whose calls take so long to be given up.
    pub(crate) fn with_timeout(nodes: usize, timeout: Duration) -> Self {
        let world = World::new();
        let memory = Memory::builder()
            .numbers_above(0)
            .timeout(timeout)
            .build(world.clone());
        let mut setting = Self {
            memory,
            queue: Queue::default(),
            resource: Resource::default(),
            nodes: Vec::new(),
            world,
        };
        for name in ["a", "b", "c"].into_iter().take(nodes) {
            setting.add_node(name);
        }
        setting
    }

    pub(crate) fn add_node(&mut self, name: &str) {
        let world = self.world.process(self.nodes.len() + 1);
        let link = self.memory.link();
        let engine = Scheduled {
            link: link.clone(),
            queue: self.queue.clone(),
        };
        let cluster = self.block_on(
            Cluster::builder(engine)
                .node(name)
                .lease(LEASE)
                .runtime(world.clone())
                .build(),
        );
        let deadlines = Deadlines::new().undo(Duration::from_secs(1));
        let scope = Scope::builder().runtime(world).deadlines(deadlines).build();
        self.nodes.push(TestNode {
            cluster: cluster.unwrap(),
            scope,
            link,
        });
        self.world.run();
    }

    pub(crate) fn stop(&self, node: usize) {
        self.world.stop(node + 1);
    }

    pub(crate) fn go_on(&self, node: usize) {
        self.world.go_on(node + 1);
    }

    /// Runs until `future` has ended, on the time of this world.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let output = Arc::new(Mutex::new(None));
        let into = Arc::clone(&output);
        self.world.spawn(async move {
            let ended = future.await;
            *into.lock().unwrap() = Some(ended);
        });
        let end = self.world.elapsed() + Duration::from_secs(600);
        loop {
            self.world.run();
            if let Some(output) = output.lock().unwrap().take() {
                return output;
            }
            assert!(self.world.next_timer(end), "it does not end");
        }
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&self, duration: Duration) {
        let end = self.world.elapsed() + duration;
        loop {
            self.world.run();
            if !self.world.next_timer(end) {
                break;
            }
        }
        let rest = end.saturating_sub(self.world.elapsed());
        self.world.stand_still(rest);
        self.world.run();
    }

    /// A connection on this node that claims the key, sets up the resource, and stays until it is
    /// closed.
    pub(crate) fn connect(&self, node: usize) -> Connection {
        self.connect_with(node, OnLapse::Close)
    }

    pub(crate) fn connect_with(&self, node: usize, on_lapse: OnLapse) -> Connection {
        self.connect_undone_after(node, on_lapse, UNDO)
    }

    /// As [`connect_with`](Self::connect_with), with an undo that takes so long.
    pub(crate) fn connect_undone_after(
        &self,
        node: usize,
        on_lapse: OnLapse,
        undo: Duration,
    ) -> Connection {
        let TestNode { cluster, scope, .. } = self.nodes[node].clone();
        let pending = scope.open().unwrap();
        let connection = Connection {
            outcome: Outcome::default(),
            handle: pending.handle(),
        };
        let (outcome, resource) = (connection.outcome.clone(), self.resource.clone());
        let world = self.world.process(node + 1);
        let tasks = world.clone();
        tasks.spawn(async move {
            let claimed =
                claim_and_set_up(pending, &cluster, on_lapse, &resource, &world, undo).await;
            let (claim, live) = match claimed {
                Ok((claim, live)) => (Ok(claim), live),
                Err(error) => (Err(error), None),
            };
            let claimed_as = claim.clone();
            *outcome.0.lock().unwrap() = Some(claim);
            if let (Some(live), Ok(claim)) = (live, claimed_as) {
                // It acts every ten milliseconds, as long as its gate lets it.
                let acting = async {
                    loop {
                        resource.write(claim.epoch());
                        hangup::runtime::Runtime::sleep(&world, ACT_EVERY).await;
                    }
                };
                drop(live.run(acting).gate(claim.gate()).await);
            }
        });
        connection
    }

    /// The record of the key.
    pub(crate) fn record(&self) -> Option<Record> {
        let memory = self.memory.clone();
        self.block_on(async move { memory.load(RECORD).await.unwrap() })
    }

    /// Runs until `end`, letting the calls at the engine through in the order of these choices, and
    /// doing each of `events` once, in their order, at a point that is chosen as well. Time passes
    /// only when no call waits.
    pub(crate) fn run_in_order(
        &self,
        choices: &mut Choices,
        end: Duration,
        events: Vec<Box<dyn FnOnce() + '_>>,
    ) {
        let end = self.world.elapsed() + end;
        let mut events = events.into_iter().peekable();
        loop {
            self.world.run();
            let waiting = self.queue.waiting();
            let options = waiting + usize::from(events.peek().is_some());
            if options == 0 {
                if self.world.next_timer(end) {
                    continue;
                }
                return;
            }
            match choices.choose(options) {
                call if call < waiting => self.queue.grant(call),
                _ => events.next().expect("there is one")(),
            }
        }
    }

    /// Ends all connections, and says that nothing is left of them: no owner, no undo to come, and
    /// a key that is free.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self, connections: &[Connection]) {
        self.queue.hold(false);
        for connection in connections {
            // `Err` if it had closed.
            let _: Result<(), hangup::Closed> = connection.handle.close(CloseReason::Aborted);
        }
        self.pass(LEASE * 2);
        for connection in connections {
            assert!(
                connection.handle.try_settled().is_some(),
                "it has not settled"
            );
        }
        self.resource.assert_sound();
        self.resource.assert_empty();
        for node in &self.nodes {
            assert_eq!(node.cluster.claims(), 0, "seats are left");
        }
        let key = self.nodes[0].cluster.key("worker", "ada").unwrap();
        let cluster = self.nodes[0].cluster.clone();
        let owner = self.block_on(async move { cluster.whereis(&key).await });
        assert_eq!(owner.unwrap(), None);
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.world.clear();
    }
}

async fn claim_and_set_up(
    pending: hangup::Pending,
    cluster: &Cluster,
    on_lapse: OnLapse,
    resource: &Resource,
    world: &World,
    undo_takes: Duration,
) -> Result<(Claim, Option<Live>), ClaimError> {
    let mut setup = pending.register()?;
    let key = cluster.key("worker", "ada").unwrap();
    let claim = setup.claim(&key).on_lapse(on_lapse).await?;
    let epoch = claim.epoch();
    let (undone, world) = (resource.clone(), world.clone());
    let entered = async { resource.enter(epoch, claim.predecessor()) };
    let undo = move || async move {
        hangup::runtime::Runtime::sleep(&world, undo_takes).await;
        undone.leave(epoch);
    };
    setup.run(entered).undo_async("leave", undo).await?;
    Ok((claim, setup.go_live().ok()))
}

/// Closes a connection that may have closed before.
pub(crate) fn end(handle: &Handle, reason: CloseReason) {
    let _: Result<(), hangup::Closed> = handle.close(reason);
}

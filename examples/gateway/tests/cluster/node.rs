//! Nodes of one cluster, in this process.

use std::net::SocketAddr;
use std::time::Duration;

use hangup_cluster::Cluster;
use hangup_cluster::memory::{Link, Memory};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Client, SOON};
use super::gateway::cluster::{self, Engine, RemoteRouter};
use super::gateway::settings::Settings;
use super::resource::Resource;

/// Short, since tests wait for its end; long enough for a machine that is busy.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// An engine whose cluster has been there for a lease: one that has just begun may have forgotten
/// owners, and tells each newcomer so.
pub(crate) async fn engine() -> Memory {
    let memory = Memory::on_current().unwrap();
    let shortest = Duration::from_millis(30);
    let first = Cluster::builder(memory.link()).lease(shortest);
    let first = first.build().await.unwrap();
    while first.nodes().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    first.leave().await;
    sleep(shortest).await;
    memory
}

pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pub(crate) link: Link,
    interrupt: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

impl Node {
    pub(crate) async fn start(memory: &Memory, name: &str, resource: Option<&Resource>) -> Self {
        Self::start_with(memory, name, resource, Settings::default()).await
    }

    pub(crate) async fn start_with(
        memory: &Memory,
        name: &str,
        resource: Option<&Resource>,
        mut settings: Settings,
    ) -> Self {
        let router = |it: &Resource| RemoteRouter::parse(&format!("http://{}", it.addr)).unwrap();
        settings.cluster.node = name.to_owned();
        settings.cluster.lease = LEASE;
        // What is closed at the end of the lease has its undo over, on a busy machine, too.
        settings.cluster.margin = Some(LEASE / 2);
        settings.cluster.job_router = resource.map(router);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (interrupt, interrupted) = oneshot::channel::<()>();
        let shutdown = async {
            // The end of the test interrupts as well.
            drop(interrupted.await);
        };
        let link = memory.link();
        let engine = Engine::new(link.clone());
        let served =
            tokio::spawn(
                async move { cluster::serve(listener, &settings, engine, shutdown).await },
            );
        Self {
            addr,
            link,
            interrupt: Some(interrupt),
            served: Some(served),
        }
    }

    pub(crate) async fn open(&self, path: &str) -> Client {
        Client::send(self.addr, "GET", path, b"").await
    }

    /// The whole answer.
    pub(crate) async fn answer(&self, method: &str, path: &str, body: &str) -> String {
        let mut client = Client::send(self.addr, method, path, body.as_bytes()).await;
        timeout(SOON, client.rest()).await.unwrap()
    }

    /// The status and the body of the answer.
    pub(crate) async fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = self.answer(method, path, body).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(u16, &Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let (status, answer) = self.request("GET", path, "").await;
            if holds(status, &answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {status} {answer:#}");
            // Only to leave the processor to the server.
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Interrupts it, as SIGTERM does.
    pub(crate) fn interrupt(&mut self) {
        let _: Result<(), ()> = self.interrupt.take().unwrap().send(());
    }

    /// Waits until it has left.
    pub(crate) async fn served(&mut self) {
        let served = self.served.take().unwrap();
        timeout(SOON, served).await.unwrap().unwrap().unwrap();
    }
}

//! The fakes that the handlers use.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use hangup_test::{Client, Report, Signal, Trial, abort_everywhere};

/// The hand-written table in which a server keeps its connections.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<(u64, BTreeMap<u64, &'static str>)>>);

impl Shelf {
    /// Adds a connection to those under the same name.
    pub(super) fn add(&self, name: &'static str) -> u64 {
        let (next, connections) = &mut *self.0.lock().unwrap();
        *next += 1;
        connections.insert(*next, name);
        *next
    }

    /// Replaces the connections under the same name.
    pub(super) fn replace(&self, name: &'static str) -> u64 {
        self.remove_all(name);
        self.add(name)
    }

    pub(super) fn remove(&self, id: u64) {
        self.0.lock().unwrap().1.remove(&id);
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.0.lock().unwrap().1.contains_key(&id)
    }

    pub(super) fn remove_all(&self, name: &'static str) {
        self.0.lock().unwrap().1.retain(|_, other| *other != name);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }
}

/// A server with one shelf.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) trial: Trial,
    pub(super) connections: Shelf,
}

impl Server {
    pub(super) fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            connections: Shelf::default(),
        }
    }
}

/// Explores `handler` on it, and counts the connections on the shelf.
pub(super) fn explore<H, F>(handler: H) -> Report
where
    H: Fn(Server, Client) -> F + 'static,
    F: Future + 'static,
{
    abort_everywhere(Server::new, handler)
        .resource("connections", |server| server.connections.len())
        .explore()
        .unwrap()
}

/// Calls a closure when it is dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The signal of a request, which the framework also fires when the client disconnects.
pub(super) fn request_signal(client: &Client) -> (Signal, impl Sized + use<>) {
    let signal = client.signal();
    let fired = signal.clone();
    (signal, OnDrop(move || fired.fire()))
}

/// A job router: another server, which is told which workers may receive jobs.
#[derive(Clone)]
pub(super) struct Router(pub(super) Trial);

impl Router {
    pub(super) async fn register(&self) {
        self.0.point("router: register").await;
    }

    pub(super) async fn resume(&self) {
        self.0.point("router: resume").await;
        self.0.ledger().switch_on("router: ada");
    }

    pub(super) async fn pause(&self) {
        self.0.point("router: pause").await;
        self.0.ledger().switch_off("router: ada");
    }
}

/// The items that every connection receives, numbered from 1.
#[derive(Clone)]
pub(super) struct Log {
    trial: Trial,
    shared: Arc<Mutex<Items>>,
}

#[derive(Default)]
struct Items {
    published: u64,
    subscribers: Vec<UnboundedSender<u64>>,
}

impl Log {
    pub(super) fn new(trial: &Trial) -> Self {
        let log = Self {
            trial: trial.clone(),
            shared: Arc::default(),
        };
        log.publish();
        log
    }

    pub(super) fn publish(&self) {
        let items = &mut *self.shared.lock().unwrap();
        items.published += 1;
        self.trial.ledger().published(items.published);
        let number = items.published;
        let is_there = |it: &UnboundedSender<u64>| it.unbounded_send(number).is_ok();
        items.subscribers.retain(is_there);
    }

    pub(super) fn replay(&self) -> RangeInclusive<u64> {
        1..=self.shared.lock().unwrap().published
    }

    pub(super) fn subscribe(&self) -> UnboundedReceiver<u64> {
        let (subscriber, items) = unbounded();
        self.shared.lock().unwrap().subscribers.push(subscriber);
        items
    }
}

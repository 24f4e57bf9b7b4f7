//! One pub/sub connection for all that an engine listens to.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use hangup_cluster::engine::EngineError;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Msg, RedisError, RedisResult};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::link::Link;

/// The first pause between two attempts to connect, which doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Hands out what is published to channels. Its task runs while there is a subscriber or a hub.
pub(crate) struct Hub {
    link: Arc<Link>,
    asks: Mutex<Option<mpsc::UnboundedSender<Ask>>>,
}

/// What is published to a channel: a [`Stream`] that goes on over lost connections.
pub(crate) struct Inbox {
    messages: mpsc::Receiver<Vec<u8>>,
    /// The task goes on.
    _asks: mpsc::UnboundedSender<Ask>,
}

/// What a subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// The messages, of which so many may wait. Those that come when it is full are lost.
    Messages(usize),
    /// One message, whichever, if there were any since it took the last one, or may have been.
    Wakes,
}

struct Ask {
    channel: String,
    subscriber: Subscriber,
    confirmed: oneshot::Sender<Result<(), EngineError>>,
}

struct Subscriber {
    messages: mpsc::Sender<Vec<u8>>,
    wants: Wants,
}

impl Hub {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            asks: Mutex::default(),
        }
    }

    /// Subscribes to `channel`, and answers once the server has confirmed that.
    pub(crate) async fn subscribe(
        &self,
        channel: String,
        wants: Wants,
    ) -> Result<Inbox, EngineError> {
        let room = match wants {
            Wants::Messages(room) => room,
            Wants::Wakes => 1,
        };
        let (sender, messages) = mpsc::channel(room);
        let (confirmed, confirmation) = oneshot::channel();
        let asks = self.asks();
        // If the task ends at this moment, it drops the ask, which is told below.
        let _ = asks.send(Ask {
            channel,
            subscriber: Subscriber {
                messages: sender,
                wants,
            },
            confirmed,
        });
        match timeout(self.link.timeout(), confirmation).await {
            Ok(Ok(Ok(()))) => Ok(Inbox {
                messages,
                _asks: asks,
            }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(EngineError::unknown("the runtime has ended")),
            Err(_) => Err(self.link.late()),
        }
    }

    /// The way to the task, which is spawned if there is none, or its runtime has ended.
    fn asks(&self) -> mpsc::UnboundedSender<Ask> {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        match &*asks {
            Some(asks) if !asks.is_closed() => asks.clone(),
            _ => {
                let (sender, receiver) = mpsc::unbounded_channel();
                tokio::spawn(
                    Board {
                        link: Arc::clone(&self.link),
                        asks: receiver,
                        channels: HashMap::new(),
                        waiting: Vec::new(),
                    }
                    .run(),
                );
                asks.insert(sender).clone()
            }
        }
    }
}

impl Inbox {
    /// The next message, or `None` once the runtime of the hub has ended.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        self.messages.recv().await
    }
}

impl Stream for Inbox {
    type Item = Vec<u8>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        self.messages.poll_recv(cx)
    }
}

impl Subscriber {
    fn tell(&self, message: &[u8]) {
        // If it is full: hints may be lost, and one wake is as good as two.
        let _ = self.messages.try_send(match self.wants {
            Wants::Messages(_) => message.to_vec(),
            Wants::Wakes => Vec::new(),
        });
    }
}

/// The task of a hub: who listens to what.
struct Board {
    link: Arc<Link>,
    asks: mpsc::UnboundedReceiver<Ask>,
    channels: HashMap<String, Vec<Subscriber>>,
    /// What the next connection subscribes to.
    waiting: Vec<Ask>,
}

/// Why a connection is not served any more.
enum Ended {
    /// There is no subscriber left.
    Idle,
    /// It is lost.
    Lost,
    /// The address leads to another server by now.
    Moved,
    /// The hub and its inboxes are dropped.
    Dropped,
}

impl Board {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.sweep();
            if self.channels.is_empty() && self.waiting.is_empty() {
                let Some(ask) = self.asks.recv().await else {
                    return;
                };
                self.waiting.push(ask);
            }
            match self.connect().await {
                Ok((sink, messages, moves)) => {
                    pause = FIRST_PAUSE;
                    match self.serve(sink, messages, moves).await {
                        Ended::Idle | Ended::Moved => {}
                        // The connection of the calls has probably met the same: the next call,
                        // which may be one that cannot be repeated, does not have to find out.
                        Ended::Lost => self.link.discard_current(),
                        Ended::Dropped => return,
                    }
                }
                Err(error) => {
                    for ask in self.waiting.drain(..) {
                        let _ = ask.confirmed.send(Err(error.clone()));
                    }
                    tokio::select! {
                        () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
                        ask = self.asks.recv() => match ask {
                            Some(ask) => self.waiting.push(ask),
                            None => return,
                        },
                    }
                }
            }
        }
    }

    /// A connection that is subscribed to all channels, at the server that the calls go to.
    async fn connect(
        &mut self,
    ) -> Result<(PubSubSink, PubSubStream, watch::Receiver<u64>), EngineError> {
        let names: Vec<_> = self
            .channels
            .keys()
            .chain(self.waiting.iter().map(|ask| &ask.channel))
            .collect();
        let connected = timeout(self.link.timeout(), async {
            let moves = self.link.ready().await?;
            let pubsub = self.link.client().get_async_pubsub().await?;
            let (mut sink, messages) = pubsub.split();
            sink.subscribe(names).await?;
            Ok::<_, RedisError>((sink, messages, moves))
        });
        let connected = connected
            .await
            .map_err(|_| self.link.late())?
            .map_err(EngineError::unknown)?;
        for subscriber in self.channels.values().flatten() {
            if subscriber.wants == Wants::Wakes {
                subscriber.tell(&[]);
            }
        }
        for ask in std::mem::take(&mut self.waiting) {
            self.confirm(ask);
        }
        Ok(connected)
    }

    async fn serve(
        &mut self,
        mut sink: PubSubSink,
        mut messages: PubSubStream,
        mut moves: watch::Receiver<u64>,
    ) -> Ended {
        let every = self.link.timeout();
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ask = self.asks.recv() => {
                    let Some(ask) = ask else {
                        return Ended::Dropped;
                    };
                    if !self.channels.contains_key(&ask.channel)
                        && self.bounded(sink.subscribe(&ask.channel)).await.is_err()
                    {
                        self.waiting.push(ask);
                        return Ended::Lost;
                    }
                    self.confirm(ask);
                }
                message = messages.next() => match message {
                    Some(message) => self.deliver(&message),
                    None => return Ended::Lost,
                },
                Ok(()) = moves.changed() => return Ended::Moved,
                _ = ticks.tick() => {
                    for channel in self.sweep() {
                        if self.bounded(sink.unsubscribe(channel)).await.is_err() {
                            return Ended::Lost;
                        }
                    }
                    if self.channels.is_empty() {
                        return Ended::Idle;
                    }
                    // A connection whose other end is gone is as silent as a quiet one.
                    if self.bounded(sink.ping::<redis::Value>()).await.is_err() {
                        return Ended::Lost;
                    }
                }
            }
        }
    }

    async fn bounded<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Result<T, ()> {
        match timeout(self.link.timeout(), asked).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(()),
        }
    }

    fn confirm(&mut self, ask: Ask) {
        let subscribers = self.channels.entry(ask.channel).or_default();
        subscribers.push(ask.subscriber);
        // If it was given up, its inbox is closed, which the next sweep finds.
        let _ = ask.confirmed.send(Ok(()));
    }

    fn deliver(&self, message: &Msg) {
        let subscribers = self.channels.get(message.get_channel_name());
        for subscriber in subscribers.into_iter().flatten() {
            subscriber.tell(message.get_payload_bytes());
        }
    }

    /// Lets go of those that do not listen any more, and returns the channels that have lost
    /// their last subscriber.
    fn sweep(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        self.channels.retain(|channel, subscribers| {
            subscribers.retain(|subscriber| !subscriber.messages.is_closed());
            if subscribers.is_empty() {
                left.push(channel.clone());
            }
            !subscribers.is_empty()
        });
        left
    }
}

//! The log: one stream for all topics, each with a subject of its own.
//!
//! A cursor is a sequence of the whole stream, so the numbers of a topic have holes. Whether items
//! of a topic are missing between two of its numbers is known from the first sequence of the stream
//! alone: if it is not above the first number behind the last item, nothing was dropped there.

use std::mem;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull::{
    Config, MessagesError, MessagesErrorKind, Stream as Messages,
};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{Context, Message};
use bytes::Bytes;
use futures_util::future::FutureExt;
use futures_util::stream::{self, StreamExt};
use hangup::topic::Cursor;
use hangup_cluster::engine::{Answer, EngineError, Log, LogEvent, LogStream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::attempts::answered;
use crate::engine::{LOOK, Nats, before_first};
use crate::life::{self, Life};
use crate::names;
use crate::streams::Kind;

/// Under which the server remembers what was published.
const ID: &str = "Nats-Msg-Id";
/// How many items are asked for at once, and looked at together for what is missing between them.
const CHUNK: usize = 256;
/// How long the server waits for items, until it is asked anew.
const PULL: Duration = Duration::from_secs(30);
/// How often the server says that it waits. A reader that has heard nothing twice as long fails.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long the server keeps what it has for a reader that does not ask.
const KEPT: Duration = Duration::from_secs(60);

impl Log for Nats {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        Box::pin(self.in_time(async move {
            names::check(topic)?;
            // The server knows one set of ids for all topics.
            let id = format!("{topic}.{}", names::header(id));
            let item = Bytes::from(item);
            loop {
                let life = self.log().await?;
                let mut headers = HeaderMap::new();
                headers.insert(ID, id.as_str());
                let written = self.write(Kind::Log, life, topic, headers, item.clone());
                match written.await {
                    Ok(Ok(sequence)) => return Ok(Cursor::new(life.0, sequence)),
                    Ok(Err(error)) => return Err(EngineError::unknown(error.description)),
                    Err(EngineError::Forgotten) => self.follow(life).await?,
                    Err(error) => return Err(error),
                }
            }
        }))
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(self.in_time(async {
            names::check(topic)?;
            let (life, info) = self.present().await?;
            Ok(Cursor::new(life.0, info.state.last_sequence))
        }))
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(self.in_time(async {
            names::check(topic)?;
            let (life, info) = self.present().await?;
            Ok(Cursor::new(life.0, before_first(&info)))
        }))
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(self.in_time(async move {
            names::check(topic)?;
            let (life, info) = self.present().await?;
            let (begins, ends) = (before_first(&info), info.state.last_sequence);
            let is_of_life = after.incarnation() == life.0;
            let (from, gap) = match after.number() {
                number if is_of_life && (begins..=ends).contains(&number) => (number, None),
                // Ahead of all that this life has: what it had was lost.
                number if is_of_life && number > ends => (ends, Some(ends)),
                _ => (begins, Some(begins)),
            };
            let gap = gap.map(|number| Ok(LogEvent::Gap(Cursor::new(life.0, number))));
            let items = self.items(life, topic, from).await?;
            Ok(Box::pin(stream::iter(gap).chain(items)) as LogStream)
        }))
    }
}

/// What a reader has, and what it still has to pass on.
struct Reader {
    nats: Nats,
    life: Life,
    consumer: PullConsumer,
    messages: Messages,
    /// Which of the client's connections it uses.
    connects: u64,
    /// How many messages have come: the server counts them as well, and one that is lost on the
    /// way is never sent again.
    come: u64,
    /// The last sequence up to which nothing is missing.
    last: u64,
    ready: std::vec::IntoIter<LogEvent>,
    end: End,
    _made: Made,
}

/// What follows what is ready.
enum End {
    Open,
    Failed(EngineError),
    Reached,
}

/// What the server keeps for a reader: removed when the reader is dropped, since the server would
/// keep it for half a minute more, and keeps not too many.
struct Made {
    context: Context,
    stream: String,
    name: String,
}

impl Drop for Made {
    fn drop(&mut self) {
        // Outside of a runtime the server removes it later.
        if let Ok(runtime) = Handle::try_current() {
            let (context, stream) = (self.context.clone(), mem::take(&mut self.stream));
            let name = mem::take(&mut self.name);
            runtime.spawn(async move {
                // An error says that it is gone.
                drop(context.delete_consumer_from_stream(name, stream).await);
            });
        }
    }
}

impl Nats {
    /// The life that the log is in, and what the server says of it.
    async fn present(&self) -> Result<(Life, Info), EngineError> {
        loop {
            let life = self.log().await?;
            match self.info(Kind::Log, life).await {
                Ok(info) => return Ok((life, info)),
                Err(EngineError::Forgotten) => self.follow(life).await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn items(
        &self,
        life: Life,
        topic: &str,
        from: u64,
    ) -> Result<impl futures_util::Stream<Item = Result<LogEvent, EngineError>> + use<>, EngineError>
    {
        let connects = self.connects();
        let name = format!("hangup-{:016x}", life::random()?);
        // Not an ordered one: the client makes those anew by itself, and reads everything again if
        // nothing had come before.
        let config = Config {
            name: Some(name.clone()),
            filter_subject: self.subject(life, Kind::Log, topic),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from + 1,
            },
            ack_policy: AckPolicy::None,
            num_replicas: 1,
            memory_storage: true,
            inactive_threshold: KEPT,
            ..Config::default()
        };
        let stream = self.stream(Kind::Log);
        // Removed also if the answer does not come.
        let made = Made {
            context: self.context.clone(),
            stream: stream.clone(),
            name,
        };
        let create = || {
            let (config, stream) = (config.clone(), stream.clone());
            self.context.create_consumer_on_stream(config, stream)
        };
        let consumer = answered(self.settings.attempt(), create).await;
        let consumer = consumer.map_err(EngineError::unknown)?;
        let reader = Reader {
            nats: self.clone(),
            life,
            messages: messages(&consumer).await?,
            consumer,
            connects,
            come: 0,
            last: from,
            ready: Vec::new().into_iter(),
            end: End::Open,
            _made: made,
        };
        Ok(stream::unfold(reader, |mut reader| async {
            let event = reader.next().await?;
            Some((event, reader))
        }))
    }
}

/// What the consumer sends from now on.
async fn messages(consumer: &PullConsumer) -> Result<Messages, EngineError> {
    let pull = consumer.stream().max_messages_per_batch(CHUNK);
    let messages = pull.expires(PULL).heartbeat(HEARTBEAT).messages().await;
    messages.map_err(EngineError::unknown)
}

impl Reader {
    /// `None` after an error: the one who reads does so anew.
    async fn next(&mut self) -> Option<Result<LogEvent, EngineError>> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some(Ok(event));
            }
            match mem::replace(&mut self.end, End::Reached) {
                End::Open => {}
                End::Failed(error) => return Some(Err(error)),
                End::Reached => return None,
            }
            self.end = match self.fetch().await {
                Ok(end) => end,
                Err(error) => End::Failed(error),
            };
        }
    }

    /// In a cluster, a consumer that was just made gets to the server of this client a moment
    /// later, and what is asked of it before goes nowhere. What came in between is counted.
    async fn ask_again(&mut self) -> Result<(), EngineError> {
        let asking = async {
            let asked = self.consumer.get_info().await;
            asked.map_err(EngineError::unknown)?;
            tokio::time::sleep(LOOK).await;
            messages(&self.consumer).await
        };
        self.messages = self.nats.in_time(asking).await?;
        Ok(())
    }

    /// Takes what has come, and looks whether something is missing before or in it.
    async fn fetch(&mut self) -> Result<End, EngineError> {
        let (mut chunk, mut end) = (Vec::new(), End::Open);
        let mut next = Some(self.first().await);
        while let Some(message) = next {
            let is_early = matches!(&message, Some(Err(error)) if error.kind() == MessagesErrorKind::NoResponders);
            let taken = match is_early {
                true => self.ask_again().await.map(|()| None),
                false => self.take(message).map(Some),
            };
            match taken {
                // A replica that is behind begins at its end, which is before the place asked for.
                Ok(Some((sequence, item))) if sequence > self.last => chunk.push((sequence, item)),
                Ok(_) => {}
                // What came before it is passed on first.
                Err(error) => {
                    end = End::Failed(error);
                    break;
                }
            }
            next = match chunk.len() {
                0 => Some(self.first().await),
                CHUNK => None,
                _ => self.messages.next().now_or_never(),
            };
        }
        let is_whole = (self.last + 1..)
            .zip(&chunk)
            .all(|(number, (sequence, _))| number == *sequence);
        // Asked after all of them came: what is not dropped now was not dropped before.
        let dropped = match is_whole {
            true => self.last,
            false => self.nats.before_log(self.life).await?,
        };
        let mut events = Vec::with_capacity(chunk.len());
        for (sequence, item) in chunk {
            // Also in the middle of the chunk, if the log drops faster than this reads.
            let missing = dropped.min(sequence - 1);
            if missing > self.last {
                events.push(LogEvent::Gap(Cursor::new(self.life.0, missing)));
            }
            self.last = sequence;
            events.push(LogEvent::Item(Cursor::new(self.life.0, sequence), item));
        }
        self.ready = events.into_iter();
        Ok(end)
    }

    /// Waits for a message. What was on its way when the connection was lost does not come, and
    /// is not missed before another one comes: so this fails when there is another connection.
    async fn first(&mut self) -> Option<Result<Message, MessagesError>> {
        while self.connects == self.nats.connects() {
            if let Ok(message) = timeout(HEARTBEAT / 2, self.messages.next()).await {
                return message;
            }
        }
        None
    }

    /// The sequence and the item of the next message.
    fn take(
        &mut self,
        message: Option<Result<Message, MessagesError>>,
    ) -> Result<(u64, Vec<u8>), EngineError> {
        let message = message.ok_or_else(|| EngineError::unknown("the connection was lost"))?;
        let message = message.map_err(EngineError::unknown)?;
        let info = message.info().map_err(EngineError::unknown)?;
        self.come += 1;
        if info.consumer_sequence != self.come {
            return Err(EngineError::unknown("an item was lost on the way"));
        }
        let sequence = info.stream_sequence;
        Ok((sequence, message.message.payload.into()))
    }
}

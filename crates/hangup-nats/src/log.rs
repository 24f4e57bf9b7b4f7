//! The log: one stream for all topics, each with a subject of its own.
//!
//! A cursor is a sequence of the whole stream, so the numbers of a topic have holes. Whether items
//! of a topic are missing between two of its numbers is known from the first sequence of the stream
//! alone: if it is not above the first number behind the last item, nothing was dropped there.

use std::mem;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::Info;
use futures_util::future::FutureExt;
use futures_util::stream::{self, StreamExt};
use hangup::topic::Cursor;
use hangup_cluster::engine::{Answer, EngineError, Log, LogEvent, LogStream};
use tokio::runtime::Handle;

use crate::engine::{Kind, Nats};
use crate::life::{self, Life};
use crate::names;

/// Under which the server remembers what was published.
const ID: &str = "Nats-Msg-Id";
/// How many items are looked at together for what is missing between them.
const CHUNK: usize = 256;

impl Log for Nats {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        Box::pin(async move {
            names::check(topic)?;
            let life = self.log().await?;
            let mut headers = HeaderMap::new();
            // The server knows one set of ids for all topics.
            headers.insert(ID, format!("{topic}.{id}"));
            let ack = self.write(Kind::Log, life, topic, headers, item).await?;
            match ack.error {
                None => Ok(Cursor::new(life.0, ack.seq)),
                Some(error) => Err(EngineError::unknown(error.description)),
            }
        })
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async {
            names::check(topic)?;
            let life = self.log().await?;
            let info = self.info(Kind::Log, life).await?;
            Ok(Cursor::new(life.0, info.state.last_sequence))
        })
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async {
            names::check(topic)?;
            let life = self.log().await?;
            let info = self.info(Kind::Log, life).await?;
            Ok(Cursor::new(life.0, before_first(&info)))
        })
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(async move {
            names::check(topic)?;
            let life = self.log().await?;
            let info = self.info(Kind::Log, life).await?;
            let (begins, ends) = (before_first(&info), info.state.last_sequence);
            let is_known = after.incarnation() == life.0 && after.number() <= ends;
            let (from, gap) = match is_known && after.number() >= begins {
                true => (after.number(), None),
                // Ahead of all that this life has: what it had was lost.
                false if after.incarnation() == life.0 && after.number() > ends => {
                    (ends, Some(ends))
                }
                false => (begins, Some(begins)),
            };
            let gap = gap.map(|number| Ok(LogEvent::Gap(Cursor::new(life.0, number))));
            let items = self.in_time(self.items(life, topic, from)).await?;
            Ok(Box::pin(stream::iter(gap).chain(items)) as LogStream)
        })
    }
}

/// The last sequence that is not there any more.
fn before_first(info: &Info) -> u64 {
    match info.state.messages {
        // Then its first one may be said to be any.
        0 => info.state.last_sequence,
        _ => info.state.first_sequence.saturating_sub(1),
    }
}

/// What a reader has, and what it still has to pass on.
struct Reader {
    nats: Nats,
    life: Life,
    messages: Ordered,
    /// The last sequence up to which nothing is missing.
    last: u64,
    ready: std::vec::IntoIter<LogEvent>,
    has_failed: bool,
    _consumer: Consumer,
}

/// What the server keeps for a reader: removed when the reader is dropped, since the server would
/// keep it for half a minute more, and keeps not too many.
struct Consumer {
    context: Context,
    stream: String,
    name: String,
}

impl Drop for Consumer {
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
    async fn items(
        &self,
        life: Life,
        topic: &str,
        from: u64,
    ) -> Result<impl futures_util::Stream<Item = Result<LogEvent, EngineError>> + use<>, EngineError>
    {
        let stream = self
            .context
            .get_stream_no_info(self.stream(Kind::Log))
            .await;
        let stream = stream.map_err(EngineError::unknown)?;
        let name = format!("hangup-{:016x}", life::random()?);
        let config = OrderedConfig {
            name: Some(name.clone()),
            filter_subject: self.subject(life, Kind::Log, topic),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from + 1,
            },
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await;
        let messages = consumer.map_err(EngineError::unknown)?.messages().await;
        let reader = Reader {
            nats: self.clone(),
            life,
            messages: messages.map_err(EngineError::unknown)?,
            last: from,
            ready: Vec::new().into_iter(),
            has_failed: false,
            _consumer: Consumer {
                context: self.context.clone(),
                stream: self.stream(Kind::Log),
                name,
            },
        };
        Ok(stream::unfold(reader, |mut reader| async {
            let event = reader.next().await?;
            Some((event, reader))
        }))
    }
}

impl Reader {
    /// `None` after an error: the one who reads does so anew.
    async fn next(&mut self) -> Option<Result<LogEvent, EngineError>> {
        if self.has_failed {
            return None;
        }
        loop {
            if let Some(event) = self.ready.next() {
                return Some(Ok(event));
            }
            if let Err(error) = self.fetch().await {
                self.has_failed = true;
                return Some(Err(error));
            }
        }
    }

    /// Takes what has come, and looks whether something is missing before or in it.
    async fn fetch(&mut self) -> Result<(), EngineError> {
        let mut chunk = Vec::new();
        let mut next = Some(self.messages.next().await);
        while let Some(message) = next {
            let message = message.ok_or_else(|| EngineError::unknown("the reader has ended"))?;
            let message = message.map_err(EngineError::unknown)?;
            let sequence = message
                .info()
                .map_err(EngineError::unknown)?
                .stream_sequence;
            // A replica that is behind begins at its end, which is before the place asked for.
            if sequence > self.last {
                chunk.push((sequence, message.message.payload.to_vec()));
            }
            if chunk.len() == CHUNK {
                break;
            }
            next = self.messages.next().now_or_never();
        }
        let is_whole = (self.last + 1..)
            .zip(&chunk)
            .all(|(number, (sequence, _))| number == *sequence);
        // Asked after all of them came: what is not dropped now was not dropped before.
        let dropped = match is_whole {
            true => self.last,
            false => before_first(&self.nats.info(Kind::Log, self.life).await?),
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
        Ok(())
    }
}

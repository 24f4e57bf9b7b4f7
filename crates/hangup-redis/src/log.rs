//! The log: a stream for each topic, whose items are counted.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream;
use hangup::topic::Cursor;
use hangup_cluster::engine::{Answer, EngineError, Log, LogEvent, LogStream};
use redis::Value;
use tokio::time::timeout;

use crate::answer::{array, life, number};
use crate::engine::{Adopted, Life, Redis};
use crate::hub::{Inbox, Wants};
use crate::limits::{check_plain_name, check_size, check_value, milliseconds};
use crate::page::Page;
use crate::script::{FETCH, PUBLISH};

/// How much longer than its items the count of a topic is kept. After that, a cursor of before is
/// a gap.
const COUNT_OUTLIVES: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many items are fetched at once: at first, and at most.
const FIRST_PAGE: usize = 32;
const LARGEST_PAGE: usize = 512;

/// How many bytes a page has, if its items are as large as those before.
const PAGE_BYTES: usize = 1 << 20;

impl Log for Redis {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        Box::pin(async move {
            check_plain_name(topic)?;
            check_size(id)?;
            check_value(&item)?;
            let kept = self.kept();
            let stream = self.stream_key(topic);
            let keys = [
                self.incarnation_key(),
                self.count_key(topic),
                self.key(format_args!("i:{topic}:{id}")),
            ];
            let [incarnation, count, id] = keys.each_ref().map(String::as_str);
            let adopted = self.adopted();
            let [begin, life_] = lives(adopted.as_deref())?;
            let most = kept.items.to_string();
            let times = [kept.age, self.count_kept(), kept.ids].map(milliseconds);
            let [age, count_kept, ids_kept] = times.each_ref().map(String::as_bytes);
            let arguments = [
                begin.as_bytes(),
                life_.as_bytes(),
                &item,
                most.as_bytes(),
                age,
                count_kept,
                ids_kept,
                // The channel of a topic is named like its stream.
                stream.as_bytes(),
            ];
            let keys = [incarnation, &stream, count, id];
            let adopted = adopted.as_deref();
            let answer = self.call(adopted, &PUBLISH, &keys, &arguments).await?;
            if answer == Value::Nil {
                return Err(EngineError::Forgotten);
            }
            let [life_, number_] = array(answer)?;
            Ok(Cursor::new(life(&life_)?.0, number(&number_)?))
        })
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move { Ok(self.fetch(topic, None, 0).await?.end()) })
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(async move {
            check_plain_name(topic)?;
            let hub = self.hub();
            // What is published after the first fetch wakes it.
            let wakes = hub.subscribe(self.stream_key(topic), Wants::Wakes).await?;
            let mut reader = Reader {
                redis: self.clone(),
                topic: topic.to_owned(),
                at: after,
                events: VecDeque::new(),
                page: FIRST_PAGE,
                full: true,
                wakes,
            };
            reader.fetch().await?;
            Ok(Box::pin(stream::unfold(Some(reader), Reader::next)) as LogStream)
        })
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move { Ok(self.fetch(topic, None, 1).await?.start()) })
    }
}

impl Redis {
    /// Up to `most` items of `topic` behind `after`, or from the oldest on.
    async fn fetch(
        &self,
        topic: &str,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<Page, EngineError> {
        check_plain_name(topic)?;
        let keys = [
            self.incarnation_key(),
            self.stream_key(topic),
            self.count_key(topic),
        ];
        let keys = keys.each_ref().map(String::as_str);
        let adopted = self.adopted();
        let [begin, life] = lives(adopted.as_deref())?;
        let count_kept = milliseconds(self.count_kept());
        let in_life = after.map_or_else(String::new, |at| Life(at.incarnation()).to_string());
        let behind = after.map_or(0, Cursor::number).to_string();
        let most = most.to_string();
        let arguments = [&begin, &life, &count_kept, &in_life, &behind, &most];
        let arguments = arguments.map(String::as_bytes);
        let answer = self.call(adopted.as_deref(), &FETCH, &keys, &arguments);
        Page::parse(answer.await?)
    }

    fn stream_key(&self, topic: &str) -> String {
        self.key(format_args!("l:{topic}"))
    }

    fn count_key(&self, topic: &str) -> String {
        self.key(format_args!("n:{topic}"))
    }

    fn count_kept(&self) -> Duration {
        self.kept().age.saturating_add(COUNT_OUTLIVES)
    }
}

/// A life to begin, and the adopted one or nothing. A log that is used without claims is never
/// adopted: it takes the present life, or begins one.
fn lives(adopted: Option<&Adopted>) -> Result<[String; 2], EngineError> {
    Ok(match adopted {
        Some(adopted) => [String::new(), adopted.life.to_string()],
        None => [Life::random()?.to_string(), String::new()],
    })
}

/// A reader of a topic.
struct Reader {
    redis: Redis,
    topic: String,
    /// What was fetched goes up to here.
    at: Cursor,
    events: VecDeque<LogEvent>,
    /// How many items to fetch.
    page: usize,
    /// Whether there may be more than was fetched.
    full: bool,
    wakes: Inbox,
}

impl Reader {
    /// A step of `unfold`, with no reader left after an error.
    async fn next(reader: Option<Self>) -> Option<(Result<LogEvent, EngineError>, Option<Self>)> {
        let mut reader = reader?;
        loop {
            if let Some(event) = reader.events.pop_front() {
                return Some((Ok(event), Some(reader)));
            }
            if let Err(error) = reader.more().await {
                return Some((Err(error), None));
            }
        }
    }

    async fn more(&mut self) -> Result<(), EngineError> {
        if !self.full {
            // Wakes may be lost, and a log that has forgotten everything wakes none of them.
            if let Ok(None) = timeout(self.redis.timeout(), self.wakes.next()).await {
                return Err(EngineError::unknown("the runtime has ended"));
            }
        }
        self.fetch().await
    }

    async fn fetch(&mut self) -> Result<(), EngineError> {
        let found = self
            .redis
            .fetch(&self.topic, Some(self.at), self.page)
            .await?;
        self.full = found.len() >= self.page;
        if found.len() > 0 {
            self.page = (PAGE_BYTES / found.largest().max(1)).clamp(1, LARGEST_PAGE);
        }
        self.events.extend(found.into_events(self.at));
        if let Some(LogEvent::Item(at, _) | LogEvent::Gap(at)) = self.events.back() {
            self.at = *at;
        }
        Ok(())
    }
}

//! A log that breaks a rule.

use std::sync::atomic::Ordering;

use futures::stream::{self, StreamExt};
use hangup::topic::Cursor;

use super::flaw::Flaw;
use super::flawed::{Flawed, asleep};
use super::flawed_claims::is_forgotten;
use crate::engine::{Answer, EngineError, Log, LogEvent, LogStream};

type Event = Result<LogEvent, EngineError>;

impl Flawed {
    fn topic(&self, topic: &str) -> String {
        match self.flaw {
            Flaw::TopicsInLowerCase => topic.to_lowercase(),
            _ => self.name(topic),
        }
    }

    /// How an incarnation is changed where it is told.
    fn incarnation(&self, real: u64) -> u64 {
        match self.flaw {
            Flaw::RestartIsAnIncarnation => {
                real + (self.shared.restarts.load(Ordering::Relaxed) << 32)
            }
            Flaw::IncarnationIsFixed => 7,
            _ => real,
        }
    }

    fn told_cursor(&self, real: Cursor) -> Cursor {
        Cursor::new(self.incarnation(real.incarnation()), real.number())
    }

    /// Which real cursor a reader means.
    async fn real_cursor(&self, topic: &str, told: Cursor) -> Result<Cursor, EngineError> {
        let end = self.link.end(topic).await?;
        let is_present = told.incarnation() == self.incarnation(end.incarnation());
        Ok(match self.flaw {
            Flaw::RestartIsAnIncarnation | Flaw::IncarnationIsFixed if is_present => {
                Cursor::new(end.incarnation(), told.number())
            }
            Flaw::IncarnationIgnored => Cursor::new(end.incarnation(), told.number()),
            Flaw::FutureIsEnd
                if told.incarnation() == end.incarnation() && told.number() > end.number() =>
            {
                end
            }
            Flaw::ReadsWithCursor if is_present && told.number() > 0 => {
                Cursor::new(told.incarnation(), told.number() - 1)
            }
            _ => told,
        })
    }

    async fn read_flawed(&self, topic: &str, told: Cursor) -> Result<LogStream, EngineError> {
        let after = self.real_cursor(topic, told).await?;
        match self.flaw {
            Flaw::SeamLost | Flaw::SeamTwice => self.read_with_a_seam(topic, after).await,
            Flaw::ReadsWithoutNext => {
                let end = self.link.end(topic).await?;
                let skips = usize::from(end.number() > after.number());
                Ok(Box::pin(self.link.read(topic, after).await?.skip(skips)))
            }
            _ => self.link.read(topic, after).await,
        }
    }

    /// A backlog is read, then what comes is subscribed to, from another place.
    async fn read_with_a_seam(&self, topic: &str, after: Cursor) -> Result<LogStream, EngineError> {
        let end = self.link.end(topic).await?;
        let mut reader = self.link.read(topic, after).await?;
        let mut backlog = Vec::new();
        while backlog.len() < 100 && end.number() > after.number() {
            let event = reader.next().await.unwrap();
            let is_last = matches!(&event, Ok(LogEvent::Item(cursor, _)) if *cursor == end);
            backlog.push(event);
            if is_last {
                break;
            }
        }
        let live_from = match self.flaw {
            Flaw::SeamTwice if !backlog.is_empty() => {
                Cursor::new(end.incarnation(), end.number() - 1)
            }
            Flaw::SeamTwice => end,
            // What was published since the look at the end is in neither.
            _ => self.link.end(topic).await?,
        };
        let live = self.link.read(topic, live_from).await?;
        Ok(Box::pin(stream::iter(backlog).chain(live)))
    }

    fn event(&self, event: Event) -> Event {
        Ok(match event? {
            LogEvent::Item(cursor, item) => LogEvent::Item(self.told_cursor(cursor), item),
            LogEvent::Gap(cursor) => LogEvent::Gap(self.told_cursor(cursor)),
        })
    }
}

impl Log for Flawed {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        Box::pin(async move {
            let (topic, item) = (self.topic(topic), self.bytes(item, Flaw::ItemsAsText));
            let id = match self.flaw {
                Flaw::IdsForgotten => self
                    .shared
                    .count
                    .fetch_add(1, Ordering::Relaxed)
                    .to_string(),
                Flaw::IdsInLowerCase => id.to_lowercase(),
                _ => id.to_owned(),
            };
            let mut published = self.link.publish(&topic, &id, item.clone()).await;
            if self.adopts(is_forgotten(&published)).await {
                published = self.link.publish(&topic, &id, item).await;
            }
            let cursor = published.map_err(|error| self.error(error))?;
            let told = self.told_cursor(cursor);
            Ok(match self.flaw {
                Flaw::CursorsOfPublishDiffer => Cursor::new(told.incarnation(), told.number() + 1),
                _ => told,
            })
        })
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move {
            let topic = self.topic(topic);
            let mut ended = self.link.end(&topic).await;
            if self.adopts(is_forgotten(&ended)).await {
                ended = self.link.end(&topic).await;
            }
            let end = ended.map_err(|error| self.error(error))?;
            let number = match self.flaw {
                Flaw::EndBeforeLast => end.number().saturating_sub(1),
                Flaw::EndOfAllTopics => {
                    let id = self
                        .shared
                        .count
                        .fetch_add(1, Ordering::Relaxed)
                        .to_string();
                    self.link.publish("all", &id, Vec::new()).await?.number()
                }
                _ => end.number(),
            };
            Ok(self.told_cursor(Cursor::new(end.incarnation(), number)))
        })
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(async move {
            let topic = self.topic(topic);
            let is_first = self.shared.read.lock().unwrap().insert(topic.clone());
            let mut read = self.read_flawed(&topic, after).await;
            if self.adopts(is_forgotten(&read)).await {
                read = self.read_flawed(&topic, after).await;
            }
            let events = read.map_err(|error| self.error(error))?;
            let (flaw, shared) = (self.flaw, self.shared.clone());
            let node = Self {
                flaw,
                shared,
                link: self.link.clone(),
                stranger: self.stranger.clone(),
                adopted: 0.into(),
            };
            let events = events.map(move |event| node.event(event));
            Ok(match self.flaw {
                Flaw::OneReader if !is_first => Box::pin(stream::pending()) as LogStream,
                Flaw::ReadersSleep => asleep(Box::pin(events)),
                Flaw::GapsUntold => Box::pin(events.filter(|event| {
                    let is_gap = matches!(event, Ok(LogEvent::Gap(_)));
                    std::future::ready(!is_gap)
                })),
                Flaw::RestartKillsStreams => {
                    let items = events.take_while(|event| std::future::ready(event.is_ok()));
                    Box::pin(items.chain(stream::pending()))
                }
                _ => Box::pin(events),
            })
        })
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        Box::pin(async move {
            let topic = self.topic(topic);
            let mut started = self.link.start(&topic).await;
            if self.adopts(is_forgotten(&started)).await {
                started = self.link.start(&topic).await;
            }
            let start = started.map_err(|error| self.error(error))?;
            let number = match self.flaw {
                Flaw::StartOfAll => 0,
                _ => start.number(),
            };
            Ok(self.told_cursor(Cursor::new(start.incarnation(), number)))
        })
    }
}

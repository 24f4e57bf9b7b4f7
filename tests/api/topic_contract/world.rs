//! A topic with its readers, and beside it the reference.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hangup::topic::{Cursor, Lane, PublishError, Replay, Retention, Topic};

use super::debt::Debt;
use super::ledger::{Ledger, Limits};
use super::reader::{CLOSE, Reader, Wish};
use super::source::{Archive, Held, Script, call};

const TICK: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) lanes: Vec<Limits>,
    /// The number behind which a topic that is fed begins.
    pub(super) fed: Option<u64>,
    pub(super) has_source: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Now,
    All,
    /// So many numbers before the end.
    Back(u64),
    Ahead(u64),
    OtherIncarnation(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anew {
    /// From one before the end on, which is refused.
    Here,
    /// In an incarnation that it never had.
    Next,
    /// In the first incarnation, behind all that it had there.
    First,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Publish {
        lane: usize,
        size: usize,
        count: usize,
    },
    Append {
        lane: usize,
        size: usize,
        ahead: u64,
        is_foreign: bool,
    },
    Reset {
        ahead: u64,
        anew: Anew,
    },
    Expire {
        ticks: u64,
    },
    Subscribe {
        reader: usize,
        start: Start,
        /// So many numbers before the end.
        since: Option<u64>,
        closes_on_gap: bool,
        maps_gaps: bool,
        has_connection: bool,
    },
    Poll {
        reader: usize,
        times: usize,
    },
    /// After the last id that the client saw, or the place of the subscription.
    ComeBack {
        reader: usize,
        by_place: bool,
    },
    Drop {
        reader: usize,
    },
    Source {
        script: Script,
        waits: bool,
    },
    Close {
        is_sure: bool,
    },
}

pub(super) struct World {
    topic: Option<Topic<u32>>,
    ledger: Ledger,
    archive: Arc<Mutex<Archive>>,
    readers: [Option<Reader>; 4],
    begun: Instant,
    next: u32,
    /// How many it had after the first one.
    incarnations: u64,
    is_closed: bool,
    has_source: bool,
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        let begun = Instant::now();
        let retention = |limits: &Limits| {
            let mut retention = match limits.items {
                0 => Retention::latest(),
                count => Retention::items(count),
            };
            if let Some(limit) = limits.bytes {
                retention = retention.bytes(limit);
            }
            match limits.age {
                Some(age) => retention.age(TICK * u32::try_from(age).unwrap()),
                None => retention,
            }
        };
        let mut builder = Topic::builder(retention(&setup.lanes[0]))
            .size(|value: &u32| (value >> 16) as usize)
            .expired_by_hand(begun);
        for (lane, limits) in setup.lanes.iter().enumerate().skip(1) {
            builder = builder.lane(Lane::new(u8::try_from(lane).unwrap()), retention(limits));
        }
        if let Some(number) = setup.fed {
            builder = builder.fed(Cursor::new(1, number));
        }
        let archive = Arc::<Mutex<Archive>>::default();
        if setup.has_source {
            let archive = Arc::clone(&archive);
            builder = builder.backfill(move |gap| call(&archive, gap));
        }
        let topic = builder.build().unwrap();
        let start = topic.cursor();
        Self {
            ledger: Ledger::new(setup.lanes, start, setup.fed.is_some()),
            topic: Some(topic),
            archive,
            readers: [const { None }; 4],
            begun,
            next: 0,
            incarnations: 0,
            is_closed: false,
            has_source: setup.has_source,
        }
    }

    fn grow(&mut self) {
        for reader in self.readers.iter_mut().flatten() {
            reader.debt.grow(&self.ledger);
        }
    }

    fn publish(&mut self, lane: usize, size: usize, at: Option<Cursor>) {
        self.next += 1;
        let value = u32::try_from(size).unwrap() << 16 | self.next;
        let topic = self.topic.as_ref().unwrap();
        let to = Lane::new(u8::try_from(lane).unwrap());
        let published = match at {
            Some(at) => topic.append_at(to, at, value),
            None if lane == 0 => topic.publish(value),
            None => topic.publish_in(to, value),
        };
        let mut refusals = self.ledger.refusals(lane, size, at);
        if self.is_closed {
            refusals.push(PublishError::Closed(CLOSE));
        }
        match published {
            Err(error) => assert!(refusals.contains(&error), "{error:?}, not {refusals:?}"),
            Ok(cursor) => {
                assert_eq!(refusals, []);
                let end = self.ledger.end();
                assert_eq!(cursor.incarnation(), end.incarnation());
                assert!(cursor.number() > end.number());
                assert!(at.is_none_or(|at| at == cursor));
                self.ledger.publish(cursor, lane, value, size);
                self.grow();
            }
        }
    }

    fn reset(&mut self, ahead: u64, anew: Anew) {
        let end = self.ledger.end();
        let first = self.ledger.entries[0].cursor.incarnation();
        let start = match anew {
            Anew::Here => Cursor::new(end.incarnation(), (end.number() + ahead).saturating_sub(1)),
            Anew::Next => {
                self.incarnations += 1;
                Cursor::new(first.wrapping_add(self.incarnations), ahead)
            }
            Anew::First => {
                let place = self.ledger.place(Cursor::new(first, u64::MAX));
                let last = self.ledger.entries[place.unwrap()].cursor.number();
                // Ahead of every cursor that a reader may have come with.
                Cursor::new(first, last + 20 + ahead)
            }
        };
        let reset = self.topic.as_ref().unwrap().reset(start);
        let is_before = start.incarnation() == end.incarnation() && start.number() < end.number();
        match reset {
            Ok(()) => {
                assert!(!self.is_closed && !is_before);
                self.ledger.reset(start);
                self.grow();
            }
            Err(PublishError::Closed(reason)) => assert!(self.is_closed && reason == CLOSE),
            Err(error) => assert_eq!(
                (is_before, error),
                (true, PublishError::NotAfter { last: end })
            ),
        }
    }

    fn replay(&self, start: Start) -> Replay {
        let end = self.ledger.end();
        let (incarnation, number) = (end.incarnation(), end.number());
        match start {
            Start::Now => Replay::Now,
            Start::All => Replay::All,
            Start::Back(back) => {
                Replay::After(Cursor::new(incarnation, number.saturating_sub(back)))
            }
            Start::Ahead(ahead) => Replay::After(Cursor::new(incarnation, number + ahead)),
            Start::OtherIncarnation(number) => {
                // One that it had, perhaps.
                Replay::After(Cursor::new(incarnation.wrapping_sub(1), number))
            }
        }
    }

    fn subscribe(&mut self, reader: usize, replay: Replay, wish: Wish) {
        let debt = Debt::new(&self.ledger, replay, wish.since);
        let topic = self.topic.as_ref().unwrap();
        self.readers[reader] = Some(Reader::new(topic, replay, wish, debt, &self.ledger));
    }

    fn come_back(&mut self, reader: usize, by_place: bool) {
        let Some(gone) = self.readers[reader].take() else {
            return;
        };
        let place = gone.place(&self.ledger).filter(|_| by_place);
        let id = place.or(gone.debt.last_id);
        // Without an id it is a new client.
        let Some(id) = id else { return };
        let (since, debt) = gone.come_back(&self.ledger, id);
        let wish = Wish { since, ..gone.wish };
        let topic = self.topic.as_ref().unwrap();
        self.readers[reader] = Some(Reader::new(
            topic,
            Replay::After(id),
            wish,
            debt,
            &self.ledger,
        ));
    }

    fn poll(&mut self, reader: usize) -> bool {
        let Some(reader) = &mut self.readers[reader] else {
            return false;
        };
        reader.poll(&self.ledger, &self.archive, self.is_closed, self.has_source)
    }

    pub(super) fn act(&mut self, op: Op) {
        match op {
            Op::Publish { lane, size, count } => {
                for _ in 0..count {
                    self.publish(lane, size, None);
                }
            }
            Op::Append {
                lane,
                size,
                ahead,
                is_foreign,
            } => {
                let end = self.ledger.end();
                let incarnation = end.incarnation().wrapping_add(u64::from(is_foreign));
                let at = Cursor::new(incarnation, end.number() + ahead);
                self.publish(lane, size, Some(at));
            }
            Op::Reset { ahead, anew } => self.reset(ahead, anew),
            Op::Expire { ticks } => {
                self.ledger.expire(ticks);
                let now = self.begun + TICK * u32::try_from(self.ledger.now).unwrap();
                self.topic.as_ref().unwrap().expire(now);
            }
            Op::Subscribe {
                reader,
                start,
                since,
                closes_on_gap,
                maps_gaps,
                has_connection,
            } => {
                let end = self.ledger.end();
                let back = |back| Cursor::new(end.incarnation(), end.number().saturating_sub(back));
                let since = since.map(back);
                let wish = Wish {
                    since,
                    closes_on_gap,
                    maps_gaps,
                    has_connection,
                };
                self.subscribe(reader, self.replay(start), wish);
            }
            Op::Poll { reader, times } => {
                for _ in 0..times {
                    let _: bool = self.poll(reader);
                }
            }
            Op::ComeBack { reader, by_place } => self.come_back(reader, by_place),
            Op::Drop { reader } => self.readers[reader] = None,
            Op::Source { script, waits } => {
                let mut archive = self.archive.lock().unwrap();
                archive.script = Some(script);
                archive.waits = waits;
            }
            Op::Close { is_sure } => {
                if is_sure {
                    let closed = self.topic.as_ref().unwrap().close(CLOSE);
                    assert_eq!(closed, !self.is_closed);
                    self.is_closed = true;
                }
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let topic = self.topic.as_ref().unwrap();
        assert_eq!(topic.cursor(), self.ledger.end());
        let kept = self.ledger.kept().count();
        assert_eq!((topic.len(), topic.is_empty()), (kept, kept == 0));
        let bytes: usize = self.ledger.kept().map(|item| item.size).sum();
        assert_eq!(topic.bytes(), bytes);
        let held = self.ledger.entries.iter().map(|entry| Held {
            cursor: entry.cursor,
            value: entry.item.map(|item| item.value),
            is_kept: entry.is_kept(),
        });
        self.archive.lock().unwrap().held = held.collect();
    }

    fn drain(&mut self) {
        for reader in 0..self.readers.len() {
            while self.poll(reader) {}
        }
    }

    /// All readers come to the end, and then the topic ends.
    pub(super) fn finish(mut self, is_dropped: bool) {
        self.drain();
        match is_dropped {
            true => self.topic = None,
            false => self.act(Op::Close { is_sure: true }),
        }
        self.is_closed = true;
        self.drain();
        for reader in self.readers.iter().flatten() {
            assert!(reader.is_over);
        }
    }
}

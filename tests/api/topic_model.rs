//! Any sequence of calls on a topic, beside a reference that keeps every item for ever and says
//! of each what has become of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hangup::CloseReason;
use hangup::topic::{Cursor, Lane, PublishError, Replay, Retention, Subscription, Topic};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// How many items a lane keeps, of how many bytes in all; 0 for the latest value.
const LANES: [(usize, usize); 3] = [(3, usize::MAX), (5, 6), (0, usize::MAX)];
const AGE: u64 = 10;
/// How many items a subscription takes at once.
const BATCH: usize = 16;

#[derive(Debug, Clone, Copy)]
enum Op {
    Publish { lane: u8, size: usize },
    Append { lane: u8, ahead: u64, foreign: bool },
    Reset { ahead: u64, foreign: bool },
    Expire { seconds: u64 },
    Subscribe { from: From, since: Option<u64> },
    Poll { reader: usize, waker: usize },
    Drop { reader: usize },
    Reconnect { reader: usize },
    Close,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Now,
    All,
    /// So many before the end.
    Back(u64),
    Ahead(u64),
    Foreign,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let from = prop_oneof![
        Just(From::Now),
        Just(From::All),
        (0_u64..12).prop_map(From::Back),
        (1_u64..4).prop_map(From::Ahead),
        Just(From::Foreign),
    ];
    let since = proptest::option::weighted(0.2, 0_u64..8);
    let reader = 0_usize..4;
    let op = prop_oneof![
        8 => (0_u8..4, 0_usize..8).prop_map(|(lane, size)| Op::Publish { lane, size }),
        2 => (0_u8..3, 0_u64..5, prop::bool::weighted(0.1))
            .prop_map(|(lane, ahead, foreign)| Op::Append { lane, ahead, foreign }),
        1 => (0_u64..3, any::<bool>()).prop_map(|(ahead, foreign)| Op::Reset { ahead, foreign }),
        1 => (0_u64..8).prop_map(|seconds| Op::Expire { seconds }),
        3 => (from, since).prop_map(|(from, since)| Op::Subscribe { from, since }),
        12 => (reader.clone(), 0_usize..2).prop_map(|(reader, waker)| Op::Poll { reader, waker }),
        1 => reader.clone().prop_map(|reader| Op::Drop { reader }),
        2 => reader.prop_map(|reader| Op::Reconnect { reader }),
        1 => prop::bool::weighted(0.1).prop_map(|closes| match closes {
            true => Op::Close,
            false => Op::Expire { seconds: 1 },
        }),
    ];
    vec(op, 0..120)
}

/// What has become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// By a newer value, as its lane wants it.
    Overwritten,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    number: u64,
    lane: usize,
    size: usize,
    at: u64,
    fate: Fate,
}

/// The reference.
struct Reference {
    incarnation: u64,
    start: u64,
    last: u64,
    items: Vec<Item>,
    now: u64,
    is_closed: bool,
    is_fed: bool,
}

impl Reference {
    fn end(&self) -> Cursor {
        Cursor::new(self.incarnation, self.last)
    }

    fn kept(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Kept)
    }

    fn publish(
        &mut self,
        lane: u8,
        at: Option<Cursor>,
        size: usize,
    ) -> Result<Cursor, PublishError> {
        if self.is_closed {
            return Err(PublishError::Closed(CloseReason::App(1)));
        }
        let lane = usize::from(lane);
        let &(_, limit) = LANES.get(lane).ok_or(PublishError::NoLane)?;
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        let cursor = at.unwrap_or_else(|| Cursor::new(self.incarnation, self.last + 1));
        if cursor.incarnation() != self.incarnation {
            return Err(PublishError::OtherIncarnation);
        }
        if cursor.number() <= self.last {
            return Err(PublishError::NotAfter { last: self.end() });
        }
        self.last = cursor.number();
        self.items.push(Item {
            number: self.last,
            lane,
            size,
            at: self.now,
            fate: Fate::Kept,
        });
        self.evict();
        Ok(cursor)
    }

    fn evict(&mut self) {
        for (lane, (items, bytes)) in LANES.into_iter().enumerate() {
            let mut count = self.kept().filter(|item| item.lane == lane).count();
            let of_lane = |item: &&Item| item.lane == lane;
            let mut sum: usize = self.kept().filter(of_lane).map(|item| item.size).sum();
            for item in &mut self.items {
                if item.lane != lane || item.fate != Fate::Kept {
                    continue;
                }
                let is_old = self.now - item.at > AGE;
                if !is_old && count <= items.max(1) && sum <= bytes {
                    break;
                }
                let is_overwritten = items == 0 && !is_old;
                item.fate = if is_overwritten {
                    Fate::Overwritten
                } else {
                    Fate::Lost
                };
                count -= 1;
                sum -= item.size;
            }
        }
    }

    /// The last number that is lost and was after `number`, or that the log began behind.
    fn lost_after(&self, number: u64) -> Option<u64> {
        let lost = self.items.iter().filter(|item| item.fate == Fate::Lost);
        let lost = lost.map(|item| item.number).chain([self.start]);
        lost.filter(|lost| *lost > number).max()
    }
}

/// Counts how often it wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A subscription, and where it is by the reference.
struct Reader {
    real: Subscription<usize>,
    incarnation: u64,
    number: u64,
    told: u64,
    /// What it has taken.
    taken: VecDeque<Item>,
    /// The id that the client would send.
    last_id: Cursor,
    wakers: [Arc<Woken>; 2],
    /// By which waker it waits, and how often that has woken.
    waits: Option<(usize, usize)>,
    is_over: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Yield {
    Item(u64, usize),
    Gap {
        from: Cursor,
        to: Cursor,
        resume: Cursor,
    },
    End,
    Pending,
}

impl Reader {
    fn new(real: Subscription<usize>, at: Cursor, told: u64) -> Self {
        Self {
            real,
            incarnation: at.incarnation(),
            number: at.number(),
            told,
            taken: VecDeque::new(),
            last_id: at,
            wakers: Default::default(),
            waits: None,
            is_over: false,
        }
    }

    fn poll(&mut self, waker: usize) -> Yield {
        let count = Arc::clone(&self.wakers[waker]);
        let before = count.0.load(Ordering::Relaxed);
        let polled = self
            .real
            .poll_next_unpin(&mut Context::from_waker(&Waker::from(count)));
        self.waits = None;
        match polled {
            Poll::Pending => {
                self.waits = Some((waker, before));
                Yield::Pending
            }
            Poll::Ready(None) => Yield::End,
            Poll::Ready(Some(Ok(item))) => {
                self.last_id = item.cursor();
                Yield::Item(item.cursor().number(), *item)
            }
            Poll::Ready(Some(Err(gap))) => {
                self.last_id = gap.resume;
                Yield::Gap {
                    from: gap.from,
                    to: gap.to,
                    resume: gap.resume,
                }
            }
        }
    }

    fn expected(&mut self, log: &Reference) -> Yield {
        if self.is_over {
            return Yield::End;
        }
        if self.taken.is_empty() {
            if let Some(gap) = self.expected_gap(log) {
                return gap;
            }
            let next = log.kept().filter(|item| item.number > self.number);
            self.taken.extend(next.take(BATCH));
        }
        match self.taken.pop_front() {
            Some(item) => {
                self.number = item.number;
                Yield::Item(item.number, item.size)
            }
            None if log.is_closed => {
                self.is_over = true;
                Yield::End
            }
            None => Yield::Pending,
        }
    }

    fn expected_gap(&mut self, log: &Reference) -> Option<Yield> {
        let known = self.number.max(self.told);
        let from = Cursor::new(self.incarnation, known);
        let to = if self.incarnation != log.incarnation {
            // All that is retained comes after it.
            (self.incarnation, self.number) = (log.incarnation, 0);
            log.lost_after(0).unwrap_or(0)
        } else if self.number > log.last {
            if log.is_fed {
                return None;
            }
            self.number = log.last;
            log.last
        } else {
            log.lost_after(known)?
        };
        self.told = to;
        let comes = log
            .kept()
            .any(|item| item.number > self.number && item.number <= to);
        let to = Cursor::new(log.incarnation, to);
        Some(Yield::Gap {
            from,
            to,
            resume: if comes { from } else { to },
        })
    }
}

/// A topic and its readers, each beside the reference.
struct World {
    topic: Topic<usize>,
    log: Reference,
    readers: Vec<Reader>,
    begin: Instant,
    /// What each incarnation after the first is called.
    incarnations: u64,
}

impl World {
    fn new(is_fed: bool) -> Self {
        let begin = Instant::now();
        let aged = |retention: Retention| retention.age(Duration::from_secs(AGE));
        let [default, side, _] = LANES;
        let mut builder = Topic::builder(aged(Retention::items(default.0)))
            .lane(Lane::new(1), aged(Retention::items(side.0).bytes(side.1)))
            .lane(Lane::new(2), aged(Retention::latest()))
            .size(|size: &usize| *size)
            .expired_by_hand(begin);
        if is_fed {
            builder = builder.fed(Cursor::new(1, 5));
        }
        let topic = builder.build().unwrap();
        let start = topic.cursor();
        let log = Reference {
            incarnation: start.incarnation(),
            start: start.number(),
            last: start.number(),
            items: Vec::new(),
            now: 0,
            is_closed: false,
            is_fed,
        };
        Self {
            topic,
            log,
            readers: Vec::new(),
            begin,
            incarnations: 1,
        }
    }

    fn foreign(&mut self) -> u64 {
        self.incarnations += 1;
        self.incarnations
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Publish { lane, size } => {
                let real = self.topic.publish_in(Lane::new(lane), size);
                let expected = self.log.publish(lane, None, size);
                assert_eq!(real, expected);
                self.check_wakes(expected.is_ok());
            }
            Op::Append {
                lane,
                ahead,
                foreign,
            } => {
                let incarnation = self.log.incarnation ^ u64::from(foreign);
                let at = Cursor::new(incarnation, self.log.last + ahead);
                let real = self.topic.append_at(Lane::new(lane), at, 1);
                let expected = self.log.publish(lane, Some(at), 1);
                assert_eq!(real, expected);
                self.check_wakes(expected.is_ok());
            }
            Op::Reset { ahead, foreign } => {
                let incarnation = match foreign {
                    true => self.foreign(),
                    false => self.log.incarnation,
                };
                let start = Cursor::new(incarnation, self.log.last + ahead);
                let reset = self.topic.reset(start);
                if self.log.is_closed {
                    let closed = PublishError::Closed(CloseReason::App(1));
                    assert_eq!(reset, Err(closed));
                    return;
                }
                reset.unwrap();
                self.log.incarnation = incarnation;
                (self.log.start, self.log.last) = (start.number(), start.number());
                self.log.items.clear();
                self.check_wakes(true);
            }
            Op::Expire { seconds } => {
                self.log.now += seconds;
                let now = self.begin + Duration::from_secs(self.log.now);
                self.topic.expire(now);
                self.log.evict();
                self.check_wakes(false);
            }
            Op::Subscribe { from, since } => self.subscribe(from, since),
            Op::Poll { reader, waker } => {
                let Some(reader) = self.readers.get_mut(reader) else {
                    return;
                };
                let expected = reader.expected(&self.log);
                assert_eq!(reader.poll(waker), expected);
            }
            Op::Drop { reader } => {
                if reader < self.readers.len() {
                    self.readers.swap_remove(reader);
                }
            }
            Op::Reconnect { reader } => {
                if reader < self.readers.len() {
                    let id = self.readers.swap_remove(reader).last_id;
                    // As it goes over the wire.
                    let replay = Replay::resume(Some(id.to_string()), Replay::Now);
                    let real = self.topic.subscribe(replay);
                    self.readers.push(Reader::new(real, id, 0));
                }
            }
            Op::Close => {
                let is_first = !std::mem::replace(&mut self.log.is_closed, true);
                assert_eq!(self.topic.close(CloseReason::App(1)), is_first);
                self.check_wakes(is_first);
            }
        }
        let kept: Vec<_> = self.log.kept().map(|item| item.size).collect();
        assert_eq!(self.topic.len(), kept.len());
        assert_eq!(self.topic.bytes(), kept.iter().sum());
        assert_eq!(self.topic.cursor(), self.log.end());
        let reading = self.readers.iter().filter(|reader| !reader.is_over);
        assert_eq!(self.topic.subscribers(), reading.count());
    }

    fn subscribe(&mut self, from: From, since: Option<u64>) {
        if self.readers.len() == 4 {
            return;
        }
        let place = |number| Cursor::new(self.log.incarnation, number);
        let last = self.log.last;
        let (replay, at, told) = match from {
            From::Now => (Replay::Now, place(last), 0),
            // What is lost already was never this reader's.
            From::All => (Replay::All, place(0), self.log.lost_after(0).unwrap_or(0)),
            From::Back(back) => {
                let at = place(last.saturating_sub(back));
                (Replay::After(at), at, 0)
            }
            From::Ahead(ahead) => (Replay::After(place(last + ahead)), place(last + ahead), 0),
            From::Foreign => {
                let at = Cursor::new(self.log.incarnation ^ 1 << 40, 3);
                (Replay::After(at), at, 0)
            }
        };
        let mut real = self.topic.subscribe(replay);
        let mut reader = (at, told);
        if let Some(back) = since {
            let session = place(last.saturating_sub(back));
            real = real.since(session);
            let is_bounded = at.incarnation() != session.incarnation();
            if is_bounded || at.number() < session.number() {
                reader = (session, 0);
            }
        }
        self.readers.push(Reader::new(real, reader.0, reader.1));
    }

    /// Those who wait are woken if there is something to see, by the waker of their last poll
    /// and no other.
    fn check_wakes(&mut self, are_woken: bool) {
        for reader in &mut self.readers {
            if let Some((waker, before)) = reader.waits {
                let count = reader.wakers[waker].0.load(Ordering::Relaxed);
                assert_eq!(count, before + usize::from(are_woken));
                if are_woken {
                    reader.waits = None;
                }
            }
        }
    }
}

fn is_long() -> bool {
    std::env::var_os("HANGUP_LONG").is_some_and(|value| value == "1")
}

#[test]
fn each_reader_gets_every_item_once_in_order_or_a_gap_that_names_what_is_missing() {
    let cases = if is_long() { 100_000 } else { 400 };
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    };
    proptest!(config, |(ops in ops(), is_fed in any::<bool>())| {
        let mut world = World::new(is_fed);
        for op in ops {
            world.act(op);
        }
    });
}

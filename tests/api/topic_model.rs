//! Any sequence of calls on a topic, beside a reference that keeps every item for ever and says
//! of each what has become of it.

mod reference;

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

use reference::{AGE, Item, LANES, Reference};

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
    /// For each lane the number up to which it needs no telling, and for a reset.
    told: [u64; 4],
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
    fn new(real: Subscription<usize>, at: Cursor, told: [u64; 4]) -> Self {
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
            // What is kept up to where a gap begins comes before it, and alone.
            let is_here = self.incarnation == log.incarnation;
            let missing = self.missing(log).filter(|_| is_here);
            let next = |number| log.kept().filter(move |item| item.number > number);
            let comes_first = |(from, _)| next(self.number).any(|item| item.number <= from);
            let batch = match missing.is_some_and(comes_first) {
                true => 1,
                false => BATCH,
            };
            if batch > 1 {
                if let Some(gap) = self.expected_gap(log) {
                    return gap;
                }
            }
            self.taken.extend(next(self.number).take(batch));
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

    /// Up to where it misses nothing, and the last number that it misses.
    fn missing(&self, log: &Reference) -> Option<(u64, u64)> {
        let known = self.told.map(|told| told.max(self.number));
        let lanes = known.into_iter().zip(log.lost()).enumerate();
        let missing = lanes.filter(|(_, (known, lost))| lost > known);
        // What a reset forgets may be of any lane.
        let all = known.into_iter().min().unwrap();
        let missing =
            missing.map(|(lane, (known, lost))| (if lane == 3 { all } else { known }, lost));
        missing.reduce(|(from, to), (known, lost)| (from.min(known), to.max(lost)))
    }

    fn expected_gap(&mut self, log: &Reference) -> Option<Yield> {
        let at = |number| Cursor::new(self.incarnation, number);
        let (from, to) = if self.incarnation != log.incarnation {
            let from = at(self.number.max(self.told.into_iter().min().unwrap()));
            // All that is retained comes after it.
            (self.incarnation, self.number) = (log.incarnation, 0);
            self.told = [0; 4];
            (from, log.last_lost())
        } else if self.number > log.last {
            if log.is_fed {
                return None;
            }
            let from = at(self.number);
            self.number = log.last;
            (from, log.last)
        } else {
            let (from, to) = self.missing(log)?;
            (at(from), to)
        };
        self.told = self.told.map(|told| told.max(to));
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
                match foreign {
                    true => self.log.items.clear(),
                    false => self.log.forget(),
                }
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
                    self.readers.push(Reader::new(real, id, [0; 4]));
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
        assert_eq!(self.topic.bytes(), kept.iter().sum::<usize>());
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
            From::Now => (Replay::Now, place(last), [0; 4]),
            // What is lost already was never this reader's.
            From::All => (Replay::All, place(0), self.log.lost_before()),
            From::Back(back) => {
                let at = place(last.saturating_sub(back));
                (Replay::After(at), at, [0; 4])
            }
            From::Ahead(ahead) => (
                Replay::After(place(last + ahead)),
                place(last + ahead),
                [0; 4],
            ),
            From::Foreign => {
                let at = Cursor::new(self.log.incarnation ^ 1 << 40, 3);
                (Replay::After(at), at, [0; 4])
            }
        };
        let mut real = self.topic.subscribe(replay);
        let mut reader = (at, told);
        if let Some(back) = since {
            let session = place(last.saturating_sub(back));
            real = real.since(session);
            let is_bounded = at.incarnation() != session.incarnation();
            if is_bounded || at.number() <= session.number() {
                reader = (session, [0; 4]);
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

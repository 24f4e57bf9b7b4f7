//! A log that a test breaks in ways that the engine in memory does not.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, stream};
use hangup::topic::Cursor;
use hangup_cluster::engine::{Answer, EngineError, Log, LogEvent, LogStream};
use tokio::sync::watch;

/// The streams of `log` fail after so many events each, and every other one fails to open.
pub(crate) struct Breaking<L> {
    pub(crate) log: L,
    pub(crate) after: usize,
    /// How often each event comes.
    pub(crate) repeats: usize,
    pub(crate) reads: AtomicUsize,
}

impl<L: Log> Log for Breaking<L> {
    fn publish<'a>(&'a self, topic: &'a str, id: &'a str, item: Vec<u8>) -> Answer<'a, Cursor> {
        self.log.publish(topic, id, item)
    }

    fn end<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.log.end(topic)
    }

    fn start<'a>(&'a self, topic: &'a str) -> Answer<'a, Cursor> {
        self.log.start(topic)
    }

    fn read<'a>(&'a self, topic: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        Box::pin(async move {
            let broken = || EngineError::unknown("broken");
            if self.reads.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                return Err(broken());
            }
            let events = self.log.read(topic, after).await?.take(self.after);
            let repeats = self.repeats;
            let events = events.flat_map(move |event| stream::iter(vec![event; repeats]));
            let events = events.chain(stream::iter([Err(broken())]));
            Ok(Box::pin(events) as LogStream)
        })
    }
}

/// A log of one topic that may lose its tail, and may not tell of a gap.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    incarnation: u64,
    items: Vec<(u64, Vec<u8>)>,
    last: u64,
    /// Its streams fail when this goes on.
    breaks: u64,
    hides_gaps: bool,
}

impl Scripted {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let returned = work(&mut self.state.lock().unwrap());
        self.changed.send_modify(|version| *version += 1);
        returned
    }

    /// Appends these numbers.
    pub(crate) fn append(&self, numbers: impl IntoIterator<Item = u64>) {
        self.with(|state| {
            for number in numbers {
                state.last += 1;
                state.items.push((state.last, number.to_string().into()));
            }
        });
    }

    /// Loses all items but the first ones, and breaks the streams.
    pub(crate) fn lose_after(&self, count: usize) {
        self.with(|state| {
            state.items.truncate(count);
            state.last = state.items.last().map_or(0, |last| last.0);
            state.breaks += 1;
        });
    }

    /// Begins anew with no item, and no stream tells of it.
    pub(crate) fn change_silently(&self) {
        self.with(|state| {
            state.incarnation += 1;
            state.items.clear();
            state.last = 0;
            state.hides_gaps = true;
        });
    }
}

impl State {
    fn next(&self, after: Cursor) -> Option<LogEvent> {
        let is_other = after.incarnation() != self.incarnation;
        if (is_other || after.number() > self.last) && !self.hides_gaps {
            return Some(LogEvent::Gap(Cursor::new(self.incarnation, self.last)));
        }
        let known = if is_other { 0 } else { after.number() };
        let (number, item) = self.items.iter().find(|item| item.0 > known)?;
        let cursor = Cursor::new(self.incarnation, *number);
        Some(LogEvent::Item(cursor, item.clone()))
    }
}

impl Log for Scripted {
    fn publish<'a>(&'a self, _: &'a str, _: &'a str, _: Vec<u8>) -> Answer<'a, Cursor> {
        unreachable!("a test appends to it")
    }

    fn end<'a>(&'a self, _: &'a str) -> Answer<'a, Cursor> {
        let end = self.with(|state| Cursor::new(state.incarnation, state.last));
        Box::pin(async move { Ok(end) })
    }

    fn start<'a>(&'a self, _: &'a str) -> Answer<'a, Cursor> {
        let start = self.with(|state| Cursor::new(state.incarnation, 0));
        Box::pin(async move { Ok(start) })
    }

    fn read<'a>(&'a self, _: &'a str, after: Cursor) -> Answer<'a, LogStream> {
        let breaks = self.state.lock().unwrap().breaks;
        let place = (self.clone(), self.changed.subscribe(), after);
        let events = stream::unfold(place, move |(log, mut changed, after)| async move {
            loop {
                changed.mark_unchanged();
                let (event, is_broken) = {
                    let state = log.state.lock().unwrap();
                    (state.next(after), state.breaks != breaks)
                };
                if is_broken {
                    let broken = Err(EngineError::unknown("broken"));
                    return Some((broken, (log, changed, after)));
                }
                if let Some(event) = event {
                    let (LogEvent::Item(after, _) | LogEvent::Gap(after)) = event else {
                        unreachable!("there are no other events");
                    };
                    return Some((Ok(event), (log, changed, after)));
                }
                changed.changed().await.unwrap();
            }
        });
        let events: Pin<Box<dyn futures::Stream<Item = _> + Send>> = Box::pin(events);
        Box::pin(async move { Ok(events) })
    }
}

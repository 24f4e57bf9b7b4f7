//! A reader of a topic: its place in the log, as a stream.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::ahead::{Ahead, Batch};
use super::backfill::{Filled, Filling};
use super::cursor::Cursor;
use super::gap::Gap;
use super::log::{Position, Read};
use super::published::{Entry, Published};
use super::replay::Replay;
use super::shared::{Shared, Start};
use super::told::Told;
use super::waiting::SlotKey;
use super::waker_kinds::WakerKind;
use crate::lifecycle::Handle;
use crate::state::{CloseReason, Closed};
use crate::sync::lock;

/// The items of a [`Topic`](super::Topic), from where the subscription started.
///
/// It yields every retained item after its start once, in order, or an `Err` with a [`Gap`]
/// that says what is missing; after a gap it goes on. It ends when the topic has been
/// [closed](super::Topic::close) or dropped, after all that was published before.
///
/// It is a place in the one log of the topic: no queue and no copy of its own. A reader that is
/// behind takes up to sixteen items at once, and holds on to them.
///
/// # Cancel safety
///
/// `next()` on it is cancel safe: an item is taken only when it is yielded.
///
/// # Examples
///
/// ```
/// # use futures::{StreamExt, executor::block_on};
/// use hangup::topic::{Replay, Retention, Topic};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let topic = Topic::new(Retention::items(2));
/// let mut events = topic.subscribe(Replay::Now);
/// for number in 1..=3 {
///     topic.publish(number)?;
/// }
/// // The log keeps two: the reader is told that it missed one.
/// let gap = block_on(events.next()).unwrap().unwrap_err();
/// assert_eq!(gap.to.number(), 1);
/// let second = block_on(events.next()).unwrap()?;
/// assert_eq!(*second, 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Subscription<T> {
    // Few bytes, since there may be many: what few subscriptions need is in `rare`.
    shared: Arc<Shared<T>>,
    position: Position,
    /// The version since which the slot waits, or [`NOT_WAITING`].
    waits_since: u64,
    /// Which waker is in the slot.
    waker_data: usize,
    waker_kind: WakerKind,
    is_over: bool,
    slot: Option<SlotKey>,
    rare: Option<Box<Rare<T>>>,
}

struct Rare<T> {
    told: Told,
    ahead: Option<Ahead<T>>,
    connection: Option<Handle>,
    closes_on_gap: bool,
    /// Where it started was not retained any more.
    starts_with_gap: bool,
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self {
            told: Told::default(),
            ahead: None,
            connection: None,
            closes_on_gap: false,
            starts_with_gap: false,
        }
    }
}

/// No version is as high.
const NOT_WAITING: u64 = u64::MAX;

type Polled<T> = Poll<Option<Result<Published<T>, Gap>>>;

impl<T> Subscription<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, replay: Replay) -> Self {
        let Start {
            position,
            told,
            is_gap,
        } = shared.subscribe(replay);
        let mut subscription = Self {
            shared,
            position,
            waits_since: NOT_WAITING,
            waker_data: 0,
            waker_kind: WakerKind::UNLISTED,
            is_over: false,
            slot: None,
            rare: None,
        };
        // What it was told counts as long as it is ahead of its position.
        if !matches!(told, Told::UpTo(number) if number <= position.number) {
            subscription.rare().told = told;
        }
        if is_gap {
            subscription.rare().starts_with_gap = true;
        }
        subscription
    }

    fn rare(&mut self) -> &mut Rare<T> {
        self.rare.get_or_insert_default()
    }

    /// Skips what was published up to `cursor`, and calls none of it missing: for a reader who
    /// must not be told what is older than its session, however old the last event is that it
    /// claims to have seen. What was published after `cursor` and is lost is a gap, also under
    /// [`Replay::All`].
    ///
    /// It has no effect if `cursor` is of an earlier incarnation.
    pub fn since(mut self, cursor: Cursor) -> Self {
        let (end, position, starts_with_gap) = {
            let log = &lock(&self.shared.state).log;
            let position = log.place(cursor);
            let starts_with_gap = log.starts_with_gap(&position, &Told::default());
            (log.end(), position, starts_with_gap)
        };
        if cursor.incarnation() != end.incarnation() {
            return self;
        }
        let is_in_log = self.position.incarnation == cursor.incarnation();
        // Also where they are equal: a reader of all is at 0, and takes for told what was lost.
        if is_in_log && self.position.number > position.number {
            return self;
        }
        self.position = position;
        if starts_with_gap || self.rare.is_some() {
            let rare = self.rare();
            rare.told = Told::default();
            rare.starts_with_gap = starts_with_gap;
        }
        self
    }

    /// When the topic is [closed](super::Topic::close), closes this connection for the same
    /// reason, after it has yielded all that was published before: then the stream's farewell
    /// follows.
    ///
    /// Without it, the end of the topic is the end of a stream, and the connection closes
    /// `Completed`.
    pub fn for_connection(mut self, connection: Handle) -> Self {
        self.rare().connection = Some(connection);
        self
    }

    /// Ends instead of yielding a gap, and closes the [connection](Self::for_connection), if it
    /// was given one, [`Overflow`](CloseReason::Overflow): for a reader that is too slow, and
    /// better comes back than goes on.
    ///
    /// A gap at its start is yielded. So the client that comes back with the id of its last event
    /// is told what it has missed, and is not sent away again.
    pub fn close_on_gap(mut self) -> Self {
        self.rare().closes_on_gap = true;
        self
    }

    /// How far it has come: a subscription [after](Replay::After) this place goes on where this
    /// one is now.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let Position {
            incarnation,
            number,
        } = self.position;
        let rare = self.rare.as_ref();
        let ahead = rare.and_then(|rare| rare.ahead.as_ref());
        match ahead {
            None => Cursor::new(incarnation, number),
            Some(ahead) => ahead.last(incarnation),
        }
    }

    fn end(&mut self, reason: CloseReason) -> Polled<T> {
        self.is_over = true;
        self.unsubscribe();
        let rare = self.rare.take();
        if let Some(connection) = rare.and_then(|rare| rare.connection) {
            // To end is to complete. `Err` if it had closed already.
            if reason != CloseReason::Completed {
                let _: Result<(), Closed> = connection.close(reason);
            }
        }
        Poll::Ready(None)
    }

    fn tell(&mut self, gap: Gap) -> Polled<T> {
        let closes = self.rare.as_mut().is_some_and(|rare| {
            let is_at_start = mem::take(&mut rare.starts_with_gap);
            rare.closes_on_gap && !is_at_start
        });
        match closes {
            true => {
                // The gap is not told, so a client has to come back before it.
                self.position = Position::new(gap.from);
                self.end(CloseReason::Overflow)
            }
            false => Poll::Ready(Some(Err(gap))),
        }
    }

    /// Yields what was taken before. `None` if that was all.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Option<Polled<T>> {
        let rare = self.rare.as_mut()?;
        match rare.ahead.as_mut()? {
            Ahead::Batch(batch) => {
                if let Some(item) = batch.next() {
                    return Some(Poll::Ready(Some(Ok(item))));
                }
                rare.ahead = None;
                None
            }
            Ahead::Filling(filling) => {
                let filled = match filling.poll(cx) {
                    Poll::Pending => return Some(Poll::Pending),
                    Poll::Ready(filled) => filled,
                };
                let to = filling.to();
                let is_over_kept = filling.is_over_kept();
                match filled {
                    Filled::Item(cursor, item) => {
                        if is_over_kept && cursor.incarnation() == self.position.incarnation {
                            let kept = lock(&self.shared.state)
                                .log
                                .take_up_to(&mut self.position, cursor.number())
                                .cloned();
                            if let Some(kept) = kept {
                                filling.put_back(kept.cursor(), (cursor, item));
                                return Some(Poll::Ready(Some(Ok(kept))));
                            }
                        }
                        self.skip_to(cursor);
                        Some(Poll::Ready(Some(Ok(Published::new(Entry {
                            cursor,
                            at: None,
                            size: 0,
                            item,
                        })))))
                    }
                    Filled::Whole => {
                        rare.ahead = None;
                        rare.starts_with_gap = false;
                        None
                    }
                    Filled::Failed => {
                        let is_last = !is_over_kept
                            || !lock(&self.shared.state).log.has_up_to(&self.position, to);
                        let rest = filling.rest(is_last);
                        rare.ahead = None;
                        if is_last {
                            self.skip_to(to);
                        }
                        Some(self.tell(rest))
                    }
                }
            }
        }
    }

    /// What comes from the backfill does not come from the log again.
    fn skip_to(&mut self, cursor: Cursor) {
        if self.position.incarnation == cursor.incarnation() {
            self.position.number = self.position.number.max(cursor.number());
        }
    }

    /// Whether this waker is in its slot.
    #[inline]
    fn has_waker(&self, waker: &Waker) -> bool {
        let wakers = &self.shared.wakers;
        wakers.is(waker, self.waker_data, self.waker_kind)
    }

    /// The item for which a reader that waits was woken, if that is all that has happened since.
    /// Then it waits for the next one at once, with the same waker: the next poll takes no lock.
    // Not inlined: the poll that finds nothing stays small.
    #[inline(never)]
    fn take_newest(&mut self) -> Option<Published<T>> {
        let slot = self.slot?;
        let mut state = lock(&self.shared.state);
        let state = &mut *state;
        // It had all at the version before this one.
        if self.waits_since != state.version.wrapping_sub(1) {
            return None;
        }
        let item = state.log.newest_after(self.position.number)?.clone();
        self.position.number = item.cursor().number();
        self.waits_since = state.version;
        state.waiting.wait(slot, self.waits_since);
        Some(item)
    }

    #[inline(never)]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Polled<T> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.waits_since = NOT_WAITING;
        let mut cloned = None;
        loop {
            if let Some(polled) = self.poll_ahead(cx) {
                return polled;
            }
            match self.look(cx, &mut cloned) {
                Look::Item(item) => return Poll::Ready(Some(Ok(item))),
                Look::Closed(reason) => return self.end(reason),
                Look::Waits(_) => return Poll::Pending,
                Look::NeedsWaker => cloned = Some(cx.waker().clone()),
                Look::Gap(gap) => match self.shared.backfill.as_ref() {
                    None => return self.tell(gap),
                    // There is nothing between, and a source may take the two for a range.
                    Some(_) if gap.is_backward() => return self.tell(gap),
                    Some(backfill) => {
                        let filling = Filling::new(backfill(gap), gap);
                        self.rare().ahead = Some(Ahead::Filling(filling));
                    }
                },
            }
        }
    }

    /// Reads on, or waits.
    fn look(&mut self, cx: &Context<'_>, cloned: &mut Option<Waker>) -> Look<T> {
        let Self {
            shared,
            position,
            waits_since,
            waker_data,
            waker_kind,
            slot,
            rare,
            ..
        } = self;
        let has_waker = shared.wakers.is(cx.waker(), *waker_data, *waker_kind);
        let mut untold = Told::default();
        let told = rare.as_mut().map_or(&mut untold, |rare| &mut rare.told);
        let mut state = lock(&shared.state);
        let state = &mut *state;
        match state.log.read(position, told) {
            Read::Item(item) => {
                let item = item.clone();
                if position.number < state.log.end().number() {
                    // A batch reaches over no gap.
                    if !state.log.has_gap(position, told) {
                        let batch = Batch::take(&state.log, position);
                        rare.get_or_insert_default().ahead = Some(Ahead::Batch(Box::new(batch)));
                    }
                } else if let (Some(slot), true, None) = (*slot, has_waker, state.closed) {
                    // It has all, so it waits from now on: the next poll needs no lock.
                    *waits_since = state.version;
                    state.waiting.wait(slot, *waits_since);
                }
                return Look::Item(item);
            }
            Read::Gap(gap) => {
                let told = mem::take(told);
                rare.get_or_insert_default().told = told;
                return Look::Gap(gap);
            }
            Read::Nothing => {}
        }
        if let Some(reason) = state.closed {
            return Look::Closed(reason);
        }
        let mut replaced = None;
        let key = match (*slot, cloned.take()) {
            (Some(key), _) if has_waker => key,
            (key, Some(cloned)) => {
                (*waker_data, *waker_kind) = shared.wakers.identify(&cloned);
                match key {
                    None => state.waiting.insert(cloned),
                    Some(key) => {
                        replaced = state.waiting.replace(key, cloned);
                        key
                    }
                }
            }
            (_, None) => return Look::NeedsWaker,
        };
        *slot = Some(key);
        *waits_since = state.version;
        state.waiting.wait(key, *waits_since);
        Look::Waits(replaced)
    }

    fn unsubscribe(&mut self) {
        let wakers = {
            let mut state = lock(&self.shared.state);
            state.subscribers -= 1;
            self.slot.take().map(|slot| state.waiting.remove(slot))
        };
        drop(wakers);
        if let Some(membership) = &self.shared.membership {
            membership.unsubscribed();
        }
    }
}

/// What a look into the log found.
enum Look<T> {
    Item(Published<T>),
    Gap(Gap),
    /// The topic is closed, and there is nothing left to read.
    Closed(CloseReason),
    /// The waker of another poll was replaced: it is dropped when no lock is held (I8).
    Waits(#[expect(dead_code, reason = "to be dropped")] Option<Waker>),
    /// A clone of the waker is missing: to clone it is user code (I8).
    NeedsWaker,
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Published<T>, Gap>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.waits_since != NOT_WAITING && this.has_waker(cx.waker()) {
            if this.waits_since == this.shared.version() {
                return Poll::Pending;
            }
            if let Some(item) = this.take_newest() {
                return Poll::Ready(Some(Ok(item)));
            }
        }
        this.poll_on(cx)
    }
}

impl<T> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.unsubscribe();
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("cursor", &self.cursor())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

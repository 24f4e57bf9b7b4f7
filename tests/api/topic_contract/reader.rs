//! A subscription, polled beside what it is owed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::{Stream, StreamExt};
use hangup::topic::{Cursor, Gap, Replay, Subscription, Topic};
use hangup::{CloseReason, Handle, Live, Scope};

use super::debt::Debt;
use super::ledger::Ledger;
use super::source::Archive;

pub(super) const CLOSE: CloseReason = CloseReason::App(7);
/// What a gap is made of by a reader that maps gaps: no item has this value.
const GAP: u32 = u32::MAX;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) since: Option<Cursor>,
    pub(super) closes_on_gap: bool,
    pub(super) maps_gaps: bool,
    pub(super) has_connection: bool,
}

/// An item, with its cursor where that is told, or a gap.
type Yielded = Result<(Option<Cursor>, u32), Gap>;

enum Items {
    Plain(Subscription<u32>),
    Mapped(Box<dyn Stream<Item = u32> + Unpin>, Arc<Mutex<Option<Gap>>>),
}

pub(super) struct Reader {
    items: Items,
    pub(super) wish: Wish,
    pub(super) debt: Debt,
    flag: Arc<Flag>,
    is_waiting: bool,
    pub(super) is_over: bool,
    /// What it came for may be missing: it is told of that, also if it closes on gaps.
    may_be_told: bool,
    /// And it is missing for certain.
    is_to_be_told: bool,
    connection: Option<(Live, Handle)>,
}

impl Reader {
    pub(super) fn new(
        topic: &Topic<u32>,
        replay: Replay,
        wish: Wish,
        debt: Debt,
        ledger: &Ledger,
    ) -> Self {
        let mut items = topic.subscribe(replay);
        if let Some(since) = wish.since {
            items = items.since(since);
        }
        if wish.closes_on_gap {
            items = items.close_on_gap();
        }
        let live = wish.has_connection.then(|| Scope::new().live().unwrap());
        let connection = live.map(|live| {
            let handle = live.handle().clone();
            (live, handle)
        });
        if let Some((_, handle)) = &connection {
            items = items.for_connection(handle.clone());
        }
        let items = if wish.maps_gaps {
            let told = Arc::new(Mutex::new(None));
            let tell = Arc::clone(&told);
            let items = items.gap_as(move |gap| {
                *tell.lock().unwrap() = Some(gap);
                GAP
            });
            Items::Mapped(Box::new(items), told)
        } else {
            Items::Plain(items)
        };
        Self {
            items,
            wish,
            may_be_told: debt.is_at_gap(ledger),
            is_to_be_told: debt.has_gap(ledger),
            debt,
            flag: Arc::default(),
            is_waiting: false,
            is_over: false,
            connection,
        }
    }

    fn poll_next(&mut self) -> Poll<Option<Yielded>> {
        let waker = Waker::from(Arc::clone(&self.flag));
        let cx = &mut Context::from_waker(&waker);
        match &mut self.items {
            Items::Plain(items) => items.poll_next_unpin(cx).map(|item| {
                item.map(|item| item.map(|item| (Some(item.cursor()), item.into_inner())))
            }),
            Items::Mapped(items, told) => items.poll_next_unpin(cx).map(|item| {
                let gap = told.lock().unwrap().take();
                assert_eq!(gap.is_some(), item == Some(GAP));
                item.map(|value| gap.map_or(Ok((None, value)), Err))
            }),
        }
    }

    /// The place of the subscription. In an incarnation to which the log came back it may be
    /// before what it had there at first.
    pub(super) fn place(&self, ledger: &Ledger) -> Option<Cursor> {
        match &self.items {
            Items::Plain(items) if !ledger.came_back() => Some(items.cursor()),
            _ => None,
        }
    }

    /// What it is owed if its client comes back after this id, and the session that bounds it.
    pub(super) fn come_back(&self, ledger: &Ledger, id: Cursor) -> (Option<Cursor>, Debt) {
        // A session of an earlier incarnation bounds nothing any more.
        let is_here = |at: Cursor| at.incarnation() == ledger.end().incarnation();
        let since = self.wish.since;
        let since = since.filter(|since| is_here(*since) && is_here(id));
        (since, self.debt.come_back(ledger, id, since))
    }

    /// Polls it. Whatever comes, its client may come back after that. Returns whether something
    /// came.
    pub(super) fn poll(
        &mut self,
        ledger: &Ledger,
        archive: &Mutex<Archive>,
        is_closed: bool,
        has_source: bool,
    ) -> bool {
        let has_come = self.poll_once(ledger, archive, is_closed, has_source);
        for id in [self.place(ledger), self.debt.last_id]
            .into_iter()
            .flatten()
        {
            let _: (Option<Cursor>, Debt) = self.come_back(ledger, id);
        }
        has_come
    }

    fn poll_once(
        &mut self,
        ledger: &Ledger,
        archive: &Mutex<Archive>,
        is_closed: bool,
        has_source: bool,
    ) -> bool {
        let is_woken = self.flag.0.swap(false, Ordering::Relaxed);
        self.debt.will_poll(ledger);
        let polled = self.poll_next();
        for told in archive.lock().unwrap().told.drain(..) {
            self.debt.told(ledger, told);
        }
        if self.is_waiting && !is_woken {
            assert!(polled.is_pending(), "it was not woken");
        }
        self.is_waiting = polled.is_pending();
        if self.is_over {
            assert_eq!(polled, Poll::Ready(None));
            return false;
        }
        match polled {
            Poll::Ready(Some(Ok((cursor, value)))) => self.debt.item(ledger, cursor, value),
            Poll::Ready(Some(Err(gap))) => {
                assert!(!self.wish.closes_on_gap || self.may_be_told);
                self.may_be_told = false;
                self.is_to_be_told = false;
                self.debt.gap(ledger, gap, has_source);
            }
            Poll::Pending => {
                assert!(!is_closed || self.debt.source_waits(), "it does not end");
                self.debt.pending(ledger);
                return self.debt.source_waits();
            }
            Poll::Ready(None) => self.end(ledger, is_closed, has_source),
        }
        if let (Some((_, handle)), false) = (&self.connection, self.is_over) {
            assert!(handle.state().closed().is_none());
        }
        true
    }

    fn end(&mut self, ledger: &Ledger, is_closed: bool, has_source: bool) {
        self.is_over = true;
        let is_at_gap = self.wish.closes_on_gap && self.debt.is_at_gap(ledger);
        // A source may have filled it.
        let is_untold = self.is_to_be_told && !has_source;
        assert!(!is_at_gap || !is_untold, "it is sent away untold");
        if !is_at_gap {
            assert!(is_closed, "it ends by itself");
            self.debt.end(ledger);
        }
        let Some((_, handle)) = &self.connection else {
            return;
        };
        let reason = handle.state().closed().map(|closed| closed.reason);
        match is_at_gap {
            // Perhaps all that is missing is what may be missing.
            true => assert!(matches!(reason, Some(CloseReason::Overflow | CLOSE))),
            false => assert!(matches!(reason, Some(CLOSE) | None), "{reason:?}"),
        }
    }
}

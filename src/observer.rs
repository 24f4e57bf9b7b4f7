//! Telling someone of every transition.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::id::ConnectionId;
use crate::panic::contain;
use crate::settled::Settled;
use crate::state::{CloseReason, Phase, State};
use crate::sync::{Mutex, lock};
use crate::word::Word;

/// Is told of every transition of every connection of a [`Scope`](crate::Scope): for
/// logs, metrics and tests.
///
/// Of one connection it is told in order, and one thing at a time: first
/// [`on_open`](Self::on_open), then each transition, then
/// [`on_settled`](Self::on_settled). Of two connections it may be told at once.
///
/// It is told right after the transition took effect and before anything is woken or
/// undone, on the thread that made it. There is one exception: if it is being told of
/// the same connection just then, on another thread or further up the stack, it is told
/// there when it has returned, and nobody waits for that.
///
/// No lock is held: an observer may use this crate in any way, but should not block. A
/// panic reaches nobody else. If it captures its scope, both live for ever.
///
/// Closures of [`&Transition`](Transition) are observers, and so is an `Arc` of one.
pub trait Observer: Send + Sync {
    /// A connection has been admitted. Does nothing unless it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_open(&self, id: ConnectionId) {}

    /// A connection went from one state to the next.
    fn on_transition(&self, transition: &Transition);

    /// Everything that a connection acquired is undone, and, unless that has to wait for
    /// an earlier call, [`Handle::settled`](crate::Handle::settled) is about to say so.
    /// Does nothing unless it is overridden.
    #[expect(unused_variables, reason = "named for the docs")]
    fn on_settled(&self, id: ConnectionId, settled: &Settled) {}
}

impl<F> Observer for F
where
    F: Fn(&Transition) + Send + Sync,
{
    fn on_transition(&self, transition: &Transition) {
        self(transition);
    }
}

impl<O> Observer for Arc<O>
where
    O: Observer + ?Sized,
{
    fn on_open(&self, id: ConnectionId) {
        (**self).on_open(id);
    }

    fn on_transition(&self, transition: &Transition) {
        (**self).on_transition(transition);
    }

    fn on_settled(&self, id: ConnectionId, settled: &Settled) {
        (**self).on_settled(id, settled);
    }
}

/// One transition of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// Whose.
    pub id: ConnectionId,
    /// The phase that it left.
    pub from: Phase,
    /// The state that it entered.
    pub to: State,
    /// How long it was in `from`, by the [clock](crate::ScopeBuilder::clock) of the
    /// scope if that has one.
    pub lasted: Option<Duration>,
}

impl Transition {
    /// Why it closed, if this is a close.
    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        self.to.closed().map(|closed| closed.reason)
    }
}

pub(crate) type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The observer of a scope and its clock.
pub(crate) struct Watch {
    observer: Box<dyn Observer>,
    clock: Option<Clock>,
}

impl Watch {
    pub(crate) fn new(observer: Box<dyn Observer>, clock: Option<Clock>) -> Self {
        Self { observer, clock }
    }

    fn now(&self) -> Option<Instant> {
        // A clock that panics does not know the time.
        self.clock.as_ref().and_then(|clock| contain(clock).ok())
    }
}

/// What the observer is still to be told of one connection.
///
/// The order is that of the transitions, because those of an observed connection are
/// made under this lock; the telling is not (I8).
pub(crate) struct Outbox {
    watch: Arc<Watch>,
    id: ConnectionId,
    notices: Mutex<Notices>,
}

struct Notices {
    queue: VecDeque<Notice>,
    /// One thread at a time tells.
    telling: bool,
    /// When the current phase began.
    since: Option<Instant>,
}

enum Notice {
    Opened,
    Moved(Transition),
    Settled(Settled),
}

impl Outbox {
    pub(crate) fn new(watch: Arc<Watch>, id: ConnectionId) -> Self {
        let since = watch.now();
        Self {
            watch,
            id,
            notices: Mutex::new(Notices {
                queue: VecDeque::from([Notice::Opened]),
                telling: false,
                since,
            }),
        }
    }

    /// Makes a move on the word, and tells of it if it was a transition.
    pub(crate) fn record<T>(&self, word: &Word, make: impl FnOnce(&Word) -> T) -> T {
        let now = self.watch.now();
        let mut notices = lock(&self.notices);
        let from = word.load().state();
        let made = make(word);
        let to = word.load().state();
        if let (Some(from), true) = (from.phase(), from != to) {
            let lasted = now
                .zip(notices.since)
                .map(|(now, since)| now.saturating_duration_since(since));
            // Two threads may have asked the clock in the other order. If now is
            // unknown, then so is how long this phase will have lasted.
            notices.since = now.map(|now| notices.since.map_or(now, |since| now.max(since)));
            notices.queue.push_back(Notice::Moved(Transition {
                id: self.id,
                from,
                to,
                lasted,
            }));
        }
        drop(notices);
        self.tell();
        made
    }

    pub(crate) fn settled(&self, settled: Settled) {
        lock(&self.notices)
            .queue
            .push_back(Notice::Settled(settled));
        self.tell();
    }

    /// Tells all that there is to tell, unless somebody is at it.
    pub(crate) fn tell(&self) {
        let mut first = true;
        loop {
            let mut notices = lock(&self.notices);
            if first && notices.telling {
                return;
            }
            first = false;
            let next = notices.queue.pop_front();
            notices.telling = next.is_some();
            drop(notices);
            let Some(notice) = next else { return };
            // A panic has said all it can on the panic hook.
            let _: Result<(), String> = contain(|| self.tell_of(&notice));
        }
    }

    fn tell_of(&self, notice: &Notice) {
        let observer = &self.watch.observer;
        match notice {
            Notice::Opened => observer.on_open(self.id),
            Notice::Moved(transition) => observer.on_transition(transition),
            Notice::Settled(settled) => observer.on_settled(self.id, settled),
        }
    }
}

//! A source of a backfill that keeps everything, and does as its script says.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::Stream;
use hangup::topic::{BackfillError, BackfillStream, Cursor, Gap};

use super::debt::Told;

#[derive(Debug, Clone, Copy)]
pub(super) enum Script {
    Whole,
    /// Without what the log still has.
    OnlyLost,
    FailsAfter(usize),
    FailsAtTheEnd,
    EndsAfter(usize),
    /// Each item twice, and before all the one at which the gap begins.
    Doubles,
    OutOfOrder,
    /// It does not stop at the end of the gap.
    Beyond,
}

/// What the source has: each place, with its item if it is one, and whether the log has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) cursor: Cursor,
    pub(super) value: Option<u32>,
    pub(super) is_kept: bool,
}

#[derive(Debug, Default)]
pub(super) struct Archive {
    pub(super) held: Vec<Held>,
    pub(super) script: Option<Script>,
    /// Whether it is pending before each step.
    pub(super) waits: bool,
    pub(super) told: Vec<Told>,
}

impl Archive {
    fn place(&self, cursor: Cursor) -> Option<usize> {
        self.held.iter().rposition(|held| {
            held.cursor.incarnation() == cursor.incarnation()
                && held.cursor.number() <= cursor.number()
        })
    }

    fn steps(&self, gap: Gap) -> VecDeque<Told> {
        let begin = self.held.iter().rposition(|held| held.value.is_none());
        let from = self.place(gap.from).map(|from| from + 1);
        let from = from.or(begin).unwrap_or(0);
        let to = self.place(gap.to).map_or(0, |to| to + 1);
        let step = |held: &Held| Some(Told::Gave(held.cursor, held.value?));
        let within = &self.held[from.min(to)..to];
        let mut steps: Vec<_> = within.iter().filter_map(step).collect();
        let mut last = Told::Ended;
        match self.script.unwrap_or(Script::Whole) {
            Script::Whole => {}
            Script::OnlyLost => {
                steps = within
                    .iter()
                    .filter(|held| !held.is_kept)
                    .filter_map(step)
                    .collect();
            }
            Script::FailsAfter(count) => {
                steps.truncate(count);
                last = Told::Failed;
            }
            Script::FailsAtTheEnd => last = Told::Failed,
            Script::EndsAfter(count) => steps.truncate(count),
            Script::Doubles => {
                steps = steps.iter().flat_map(|step| [*step, *step]).collect();
                let before = from
                    .checked_sub(1)
                    .and_then(|before| step(&self.held[before]));
                steps.splice(0..0, before);
            }
            Script::OutOfOrder => {
                // Of two incarnations a topic cannot tell which one is earlier.
                let here = gap.to.incarnation();
                steps.retain(|step| matches!(step, Told::Gave(at, _) if at.incarnation() == here));
                steps.reverse();
            }
            Script::Beyond => steps.extend(self.held[to..].iter().filter_map(step)),
        }
        steps.push(last);
        steps.into()
    }
}

/// The items that fill one gap.
struct Items {
    archive: Arc<Mutex<Archive>>,
    steps: VecDeque<Told>,
    has_waited: bool,
}

pub(super) fn call(archive: &Arc<Mutex<Archive>>, gap: Gap) -> BackfillStream<u32> {
    let mut held = archive.lock().unwrap();
    held.told.push(Told::Called(gap));
    Box::pin(Items {
        archive: Arc::clone(archive),
        steps: held.steps(gap),
        has_waited: false,
    })
}

impl Stream for Items {
    type Item = Result<(Cursor, u32), BackfillError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let archive = Arc::clone(&self.archive);
        let mut archive = archive.lock().unwrap();
        if archive.waits && !self.has_waited {
            self.has_waited = true;
            archive.told.push(Told::Pending);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_waited = false;
        let step = self
            .steps
            .pop_front()
            .expect("it is not polled after its end");
        archive.told.push(step);
        Poll::Ready(match step {
            Told::Gave(cursor, value) => Some(Ok((cursor, value))),
            Told::Failed => Some(Err(BackfillError)),
            _ => None,
        })
    }
}

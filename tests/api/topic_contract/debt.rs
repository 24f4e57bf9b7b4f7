//! What a topic owes one reader: for each entry of the ledger, whether it was asked for and
//! whether it was delivered.

use hangup::topic::{Cursor, Gap, Replay};

use super::ledger::Ledger;

/// How many items a reader takes at once, and may hold on to.
const BATCH: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// It is not wanted, or it is settled.
    No,
    Yes,
    /// A gap that was told reaches over it: it is yielded as long as it is kept, and is told for
    /// lost otherwise.
    InGap,
    Seen,
}

/// What a source of a backfill does, in the order in which it does it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Called(Gap),
    Gave(Cursor, u32),
    Pending,
    Ended,
    Failed,
}

struct Fill {
    to: usize,
    /// The last that it gave.
    last: Option<usize>,
    has_failed: bool,
}

pub(super) struct Debt {
    owed: Vec<Owed>,
    /// What the reader may hold.
    taken: Vec<bool>,
    /// What a source gave.
    given: Vec<bool>,
    /// Nothing up to here is of any interest to the reader.
    floor: Option<usize>,
    /// The cursor that it came with, if the log has no such place.
    stranger: Option<Cursor>,
    /// The place it is at, if that is ahead of the log.
    ahead: Option<Cursor>,
    fill: Option<Fill>,
    source_waits: bool,
    /// What a client would send as its last event id.
    pub(super) last_id: Option<Cursor>,
}

impl Debt {
    pub(super) fn new(ledger: &Ledger, replay: Replay, since: Option<Cursor>) -> Self {
        let entries = &ledger.entries;
        let end = ledger.end();
        let mut debt = Self {
            owed: vec![Owed::No; entries.len()],
            taken: vec![false; entries.len()],
            given: vec![false; entries.len()],
            floor: Some(entries.len() - 1),
            stranger: None,
            ahead: None,
            fill: None,
            source_waits: false,
            last_id: None,
        };
        match replay {
            Replay::All => {
                for (owed, entry) in debt.owed.iter_mut().zip(entries) {
                    if entry.is_kept() {
                        *owed = Owed::Yes;
                    }
                }
                if let Some(first) = debt.owed.iter().position(|owed| *owed == Owed::Yes) {
                    // What was lost before is not this reader's to miss.
                    let lost = (0..first).rev().find(|at| entries[*at].is_missing());
                    debt.floor = lost.or_else(|| first.checked_sub(1));
                }
            }
            Replay::After(cursor) => {
                debt.last_id = Some(cursor);
                debt.floor = ledger.place(cursor);
                let first = debt
                    .floor
                    .map_or_else(|| ledger.first(cursor), |place| place + 1);
                debt.want_from(first, ledger);
                if debt.floor.is_none() {
                    debt.stranger = Some(cursor);
                }
                if cursor.incarnation() == end.incarnation() && cursor.number() > end.number() {
                    debt.ahead = Some(cursor);
                }
            }
            _ => {}
        }
        let since = since.filter(|since| since.incarnation() == end.incarnation());
        if let Some(since) = since {
            debt.skip_up_to(ledger, since, replay == Replay::All);
        }
        debt
    }

    /// What is there from this entry on is yielded, or told for missing.
    fn want_from(&mut self, first: usize, ledger: &Ledger) {
        for at in first..self.owed.len() {
            let entry = &ledger.entries[at];
            let is_wanted = entry.is_kept() || entry.may_be_missing();
            if is_wanted && !ledger.is_no_step(at) {
                self.owed[at] = Owed::Yes;
            }
        }
    }

    fn skip_up_to(&mut self, ledger: &Ledger, since: Cursor, is_all: bool) {
        let end = ledger.end();
        let Some(place) = ledger.place(since) else {
            // Before the log began. What it has lost is a gap, its beginning as well.
            if is_all {
                self.want_from(ledger.first(since), ledger);
                self.floor = None;
            }
            let is_earlier = |at: &Cursor| {
                at.incarnation() != since.incarnation() || at.number() < since.number()
            };
            let from = self.last_id.filter(|_| !is_all);
            if from.as_ref().is_some_and(is_earlier) {
                self.owed[..ledger.first(since)].fill(Owed::No);
                self.floor = None;
                self.stranger = Some(since);
            }
            return;
        };
        self.owed[..=place].fill(Owed::No);
        if is_all {
            self.want_from(place + 1, ledger);
        }
        if is_all || self.floor.is_none_or(|floor| floor < place) {
            self.floor = Some(place);
            self.stranger = None;
        }
        if since.number() > end.number() && self.ahead.is_none_or(|a| a.number() < since.number()) {
            self.ahead = Some(since);
        }
    }

    /// The ledger has another entry.
    pub(super) fn grow(&mut self, ledger: &Ledger) {
        let index = self.owed.len();
        let entry = &ledger.entries[index];
        let is_passed = |place: Cursor| {
            place.incarnation() == entry.cursor.incarnation()
                && entry.cursor.number() <= place.number()
        };
        let is_owed = !ledger.is_no_step(index) && !self.ahead.is_some_and(is_passed);
        self.owed.push(if is_owed { Owed::Yes } else { Owed::No });
        self.taken.push(false);
        self.given.push(false);
    }

    /// It is about to be polled: it may take what is kept now, and yield it later.
    pub(super) fn will_poll(&mut self, ledger: &Ledger) {
        self.source_waits = false;
        let wanted = |owed: &Owed| matches!(owed, Owed::Yes | Owed::InGap);
        let kept = (0..self.owed.len())
            .filter(|at| wanted(&self.owed[*at]) && ledger.entries[*at].is_kept());
        for at in kept.take(BATCH) {
            self.taken[at] = true;
        }
    }

    /// Whether something is still to be yielded.
    fn is_to_come(&self, at: usize, ledger: &Ledger) -> bool {
        matches!(self.owed[at], Owed::Yes | Owed::InGap) && ledger.entries[at].is_kept()
    }

    fn is_missing(&self, at: usize, ledger: &Ledger) -> bool {
        self.owed[at] == Owed::Yes && ledger.entries[at].is_missing()
    }

    fn may_be_missing(&self, at: usize, ledger: &Ledger) -> bool {
        self.owed[at] == Owed::Yes && ledger.entries[at].may_be_missing()
    }

    fn last_seen(&self) -> Option<usize> {
        self.owed.iter().rposition(|owed| *owed == Owed::Seen)
    }

    /// A stranger ahead of a log that gives its own numbers: told so, and then it is at the end.
    fn is_stray(&self, ledger: &Ledger) -> bool {
        let end = ledger.end();
        !ledger.is_fed
            && self.ahead.is_some_and(|ahead| {
                ahead.incarnation() == end.incarnation() && ahead.number() > end.number()
            })
    }

    pub(super) fn item(&mut self, ledger: &Ledger, cursor: Option<Cursor>, value: u32) {
        let at = ledger.find(value).expect("an item that was published");
        let entry = &ledger.entries[at];
        assert!(
            cursor.is_none_or(|cursor| cursor == entry.cursor),
            "another cursor"
        );
        assert_ne!(self.owed[at], Owed::Seen, "{value} is yielded twice");
        assert_ne!(
            self.owed[at],
            Owed::No,
            "{value} is yielded, and was not asked for"
        );
        assert!(
            entry.is_kept() || self.taken[at] || self.given[at],
            "{value} is not retained"
        );
        for before in 0..at {
            assert!(
                !self.is_to_come(before, ledger),
                "{value} comes before {before}"
            );
            assert!(
                !self.is_missing(before, ledger),
                "{before} is lost, and is not told"
            );
            if self.owed[before] != Owed::Seen {
                self.owed[before] = Owed::No;
            }
        }
        self.owed[at] = Owed::Seen;
        self.last_id = Some(entry.cursor);
    }

    /// Whether this gap says exactly what is missing now.
    fn check(&self, ledger: &Ledger, gap: Gap) -> usize {
        let missing: Vec<_> = (0..self.owed.len())
            .filter(|at| self.is_missing(*at, ledger))
            .collect();
        let named = (0..self.owed.len())
            .rev()
            .find(|at| self.may_be_missing(*at, ledger) && ledger.entries[*at].cursor == gap.to);
        let begin = ledger.begin();
        let named = named.or_else(|| {
            let lies_before = (0..begin).any(|at| self.may_be_missing(at, ledger));
            (lies_before && ledger.entries[begin].cursor == gap.to).then_some(begin)
        });
        let Some(to) = named else {
            panic!("what is missing does not end at {gap}")
        };
        let fill_to = self.fill.as_ref().map(|fill| fill.to);
        assert!(
            fill_to == Some(to) || missing.last().is_none_or(|last| *last <= to),
            "{gap}, and more is missing"
        );
        let first = (0..=to).find(|at| self.may_be_missing(*at, ledger));
        let first_missing = (0..=to).find(|at| self.is_missing(*at, ledger));
        let from = ledger.place(gap.from);
        match self.stranger.filter(|_| self.last_seen().is_none()) {
            Some(stranger) if from.is_none() => assert_eq!(gap.from, stranger),
            _ => assert!(
                from >= self.floor.max(self.last_seen()),
                "{gap} begins too early"
            ),
        }
        let limit = first_missing.or(first).expect("something is missing");
        assert!(
            from.is_none_or(|from| from < limit),
            "{gap} begins too late"
        );

        let resume = ledger.place(gap.resume);
        assert!(
            resume >= self.last_seen(),
            "after {:?} an item comes twice",
            gap.resume
        );
        match (0..self.owed.len()).find(|at| self.is_to_come(*at, ledger)) {
            Some(next) if next < to => {
                assert!(
                    resume.is_none_or(|resume| resume < next),
                    "after {:?}, {next} is lost",
                    gap.resume
                );
            }
            _ => assert_eq!(gap.resume, gap.to),
        }
        to
    }

    pub(super) fn gap(&mut self, ledger: &Ledger, gap: Gap, has_source: bool) {
        if self.is_stray(ledger) {
            let end = ledger.end();
            assert_eq!((Some(gap.from), gap.to, gap.resume), (self.ahead, end, end));
            self.ahead = None;
            self.floor = Some(self.owed.len() - 1);
            self.last_id = Some(end);
            return;
        }
        let to = self.check(ledger, gap);
        if has_source {
            let fill = self.fill.take().expect("the source was not asked");
            assert!(fill.has_failed, "{gap} is told, and the source goes on");
        }
        self.name(to);
        self.last_id = Some(gap.resume);
    }

    fn name(&mut self, to: usize) {
        for owed in &mut self.owed[..=to] {
            if *owed == Owed::Yes {
                *owed = Owed::InGap;
            }
        }
    }

    /// What the source did during the poll.
    pub(super) fn told(&mut self, ledger: &Ledger, told: Told) {
        match told {
            Told::Called(gap) => {
                if self.is_stray(ledger) {
                    panic!("nothing can fill {gap}");
                }
                let to = self.check(ledger, gap);
                let from = ledger.place(gap.from);
                self.fill = Some(Fill {
                    to,
                    last: from,
                    has_failed: false,
                });
            }
            Told::Gave(cursor, value) => {
                let Some(fill) = &mut self.fill else { return };
                let at = ledger.find(value).expect("an item that was published");
                assert_eq!(ledger.entries[at].cursor, cursor);
                if Some(at) <= fill.last {
                    return;
                }
                if at > fill.to {
                    // The items come in order, so that was all.
                    return self.told(ledger, Told::Ended);
                }
                fill.last = Some(at);
                self.settle(ledger, at);
                if self.owed[at] == Owed::No && self.last_seen() < Some(at) {
                    self.owed[at] = Owed::Yes;
                }
                self.given[at] = true;
            }
            Told::Pending => self.source_waits = true,
            Told::Ended => {
                if let Some(fill) = self.fill.take() {
                    self.settle(ledger, fill.to + 1);
                }
            }
            Told::Failed => {
                if let Some(fill) = &mut self.fill {
                    fill.has_failed = true;
                }
            }
        }
    }

    /// By the word of the source there is nothing before this entry that it did not give. What
    /// the log has, it yields as long as it has it.
    fn settle(&mut self, ledger: &Ledger, end: usize) {
        for at in (0..end).filter(|at| !self.given[*at]) {
            if self.may_be_missing(at, ledger) {
                self.owed[at] = Owed::No;
            } else if self.owed[at] == Owed::Yes {
                self.owed[at] = Owed::InGap;
            }
        }
    }

    fn assert_has_all(&self, ledger: &Ledger) {
        assert!(!self.is_stray(ledger), "it is not told that it is astray");
        for at in 0..self.owed.len() {
            assert!(!self.is_to_come(at, ledger), "{at} is not yielded");
            assert!(
                !self.is_missing(at, ledger),
                "{at} is lost, and is not told"
            );
        }
    }

    pub(super) fn source_waits(&self) -> bool {
        self.source_waits
    }

    pub(super) fn pending(&self, ledger: &Ledger) {
        if !self.source_waits {
            self.assert_has_all(ledger);
        }
    }

    pub(super) fn end(&self, ledger: &Ledger) {
        self.assert_has_all(ledger);
    }

    pub(super) fn is_at_gap(&self, ledger: &Ledger) -> bool {
        (0..self.owed.len()).any(|at| self.may_be_missing(at, ledger)) || self.is_stray(ledger)
    }

    /// Something is missing for certain.
    pub(super) fn has_gap(&self, ledger: &Ledger) -> bool {
        (0..self.owed.len()).any(|at| self.is_missing(at, ledger))
    }

    /// The client comes back after `id`: it loses nothing, and sees nothing twice.
    pub(super) fn come_back(&self, ledger: &Ledger, id: Cursor, since: Option<Cursor>) -> Self {
        let next = Self::new(ledger, Replay::After(id), since);
        for at in 0..self.owed.len() {
            let is_owed = next.owed[at] == Owed::Yes;
            if self.is_to_come(at, ledger) || self.is_missing(at, ledger) {
                assert!(is_owed, "{at} is lost to who comes back after {id}");
            }
            assert!(
                self.owed[at] != Owed::Seen || !is_owed,
                "{at} comes twice after {id}"
            );
        }
        next
    }
}

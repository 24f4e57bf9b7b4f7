//! Which rows a view shows.

use hangup::{Phase, State};

use crate::roll::{Entry, Roll};
use crate::view::{Sort, View};

/// Up to so many rows are sorted by the times of their openings, and more by the ids.
const FEW: usize = 2048;
/// The rows of a page.
pub(crate) const PAGE: usize = 50;

/// A page of a view.
pub(crate) struct Selection<'a> {
    pub(crate) rows: Vec<&'a Entry>,
    /// How many rows the view has, on all pages.
    pub(crate) matched: usize,
    /// From 0 on: the last one, if the view has no such page.
    pub(crate) page: usize,
    pub(crate) pages: usize,
}

/// The page of `roll` that `view` asks for.
pub(crate) fn select<'a>(roll: &'a Roll, view: &View) -> Selection<'a> {
    let matching = matching(roll, view);
    let matched = matching.as_ref().map_or(roll.entries.len(), Vec::len);
    let pages = matched.div_ceil(PAGE).max(1);
    let page = view.page.min(pages - 1);
    let begin = page * PAGE;
    let end = matched.min(begin + PAGE);
    // The ids ascend with the time of the opening, nearly, so that the youngest one is the last.
    let from_the_end = view.is_reversed != (view.sort == Sort::Age);
    let (begin, end) = match from_the_end {
        false => (begin, end),
        true => (matched - end, matched - begin),
    };
    let is_small = matched <= FEW;
    let nth = |at: usize| matching.as_ref().map_or(at, |all| all[at]);
    let mut indices = match view.sort {
        Sort::Age if is_small => by_age(roll, (0..matched).map(nth).collect())[begin..end].to_vec(),
        Sort::Age => (begin..end).map(nth).collect(),
        Sort::Phase => by_phase(roll, (0..matched).map(nth), begin, end),
        Sort::Label => by_label(roll, (0..matched).map(nth).collect(), begin, end),
    };
    if from_the_end {
        indices.reverse();
    }
    Selection {
        rows: indices.iter().map(|&index| &roll.entries[index]).collect(),
        matched,
        page,
        pages,
    }
}

/// The indices of the entries that the filter finds; `None` for all.
fn matching(roll: &Roll, view: &View) -> Option<Vec<usize>> {
    if view.filter.is_empty() {
        return None;
    }
    Some(roll.details.as_ref()?.find(&view.filter))
}

/// All from the oldest to the youngest one; in the order of the ids, if the scope has no clock.
fn by_age(roll: &Roll, mut all: Vec<usize>) -> Vec<usize> {
    // Not by the ages: each would be of an instant of its own.
    all.sort_by_cached_key(|&index| roll.entries[index].handle.opened_at());
    all
}

/// From the first to the last state.
fn rank(state: State) -> usize {
    match state.phase() {
        Some(Phase::Pending) => 0,
        Some(Phase::Registering) => 1,
        Some(Phase::Live) => 2,
        None => 3,
    }
}

/// Those between `begin` and `end` in the order of their phases: a count says where each is.
fn by_phase(
    roll: &Roll,
    all: impl Iterator<Item = usize> + Clone,
    begin: usize,
    end: usize,
) -> Vec<usize> {
    let rank = |index: usize| rank(roll.entries[index].state);
    let mut places = [0_usize; 4];
    for index in all.clone() {
        for later in &mut places[rank(index)..] {
            *later += 1;
        }
    }
    // The place of the next one of each rank.
    places.rotate_right(1);
    places[0] = 0;
    let mut page = vec![0; end - begin];
    for index in all {
        let place = &mut places[rank(index)];
        if let Some(row) = place.checked_sub(begin).and_then(|at| page.get_mut(at)) {
            *row = index;
        }
        *place += 1;
    }
    page
}

/// Those between `begin` and `end` in the order of their labels; those without come last.
fn by_label(roll: &Roll, mut all: Vec<usize>, begin: usize, end: usize) -> Vec<usize> {
    let details = roll.details.as_ref();
    let key = |index: &usize| {
        let label = details.and_then(|details| details.label(*index));
        (label.is_none(), label, *index)
    };
    let order = |one: &usize, other: &usize| key(one).cmp(&key(other));
    // No more than the page is sorted.
    if begin < all.len() {
        all.select_nth_unstable_by(begin, order);
    }
    let mut rest = all.split_off(begin);
    if end - begin < rest.len() {
        rest.select_nth_unstable_by(end - begin, order);
        rest.truncate(end - begin);
    }
    rest.sort_unstable_by(order);
    rest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;
    use std::time::{Duration, Instant};

    use hangup::{Live, Pending, Registering, Scope};

    use super::{PAGE, rank, select};
    use crate::roll::Roll;
    use crate::view::{Sort, View};

    /// They stay open as long as this.
    #[derive(Default)]
    struct Open(Vec<Pending>, Vec<Registering>, Vec<Live>);

    fn open(scope: &Scope) -> Open {
        let mut open = Open::default();
        for number in 0..237 {
            let mut pending = scope.open().unwrap();
            if number % 5 > 0 {
                pending.label(format!("{}", number * 7919 % 90));
            }
            match number * 31 % 7 {
                0 => open.0.push(pending),
                1 | 2 => open.1.push(pending.register().unwrap()),
                3 => {
                    // Closed, and not settled.
                    let setup = pending.register().unwrap();
                    setup.handle().close(hangup::CloseReason::Idle).unwrap();
                    open.1.push(setup);
                }
                _ => open.2.push(pending.register().unwrap().go_live().unwrap()),
            }
        }
        open
    }

    #[tokio::test]
    async fn every_page_of_every_order_is_that_of_a_whole_sort() {
        // Without a clock.
        let scope = Scope::new();
        let _open = open(&scope);
        let roll = Roll::call(&scope, None, true).await;
        let details = roll.details.as_ref().unwrap();
        for filter in ["", "1", "77", "nothing"] {
            let found: Vec<_> = match filter {
                "" => (0..roll.entries.len()).collect(),
                filter => details.find(filter),
            };
            for sort in [Sort::Age, Sort::Phase, Sort::Label] {
                let mut expected = found.clone();
                match sort {
                    Sort::Age => expected.reverse(),
                    Sort::Phase => expected.sort_by_key(|&index| rank(roll.entries[index].state)),
                    Sort::Label => expected.sort_by_key(|&index| {
                        let label = details.label(index);
                        (label.is_none(), label)
                    }),
                }
                for is_reversed in [false, true] {
                    let mut shown = Vec::new();
                    for page in 0..expected.len().div_ceil(PAGE).max(1) {
                        let filter = filter.to_owned();
                        let view = View {
                            filter,
                            sort,
                            is_reversed,
                            page,
                        };
                        let selection = select(&roll, &view);
                        assert_eq!((selection.page, selection.matched), (page, expected.len()));
                        shown.extend(selection.rows.iter().map(|entry| entry.id));
                    }
                    let ids = expected.iter().map(|&index| roll.entries[index].id);
                    let ids: Vec<_> = ids.collect();
                    assert_eq!(shown, ids, "{filter} {sort:?} {is_reversed}");
                    expected.reverse();
                }
            }
        }
    }
    #[tokio::test]
    async fn the_order_by_age_is_that_of_the_ages() {
        let now = Instant::now();
        let passed = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&passed);
        let clock = move || now + Duration::from_secs(clock.load(SeqCst));
        let scope = Scope::builder().clock(clock).build();
        // Each thread takes ids in blocks, so that those of the second one are greater.
        let mut open = vec![scope.open().unwrap()];
        passed.fetch_add(10, SeqCst);
        open.push(std::thread::scope(|threads| {
            threads.spawn(|| scope.open().unwrap()).join().unwrap()
        }));
        passed.fetch_add(10, SeqCst);
        open.push(scope.open().unwrap());
        assert!(open[1].id() > open[2].id());
        let roll = Roll::call(&scope, None, false).await;
        let view = View::default();
        let ids = |view: &View| {
            select(&roll, view)
                .rows
                .iter()
                .map(|it| it.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&view), [open[2].id(), open[1].id(), open[0].id()]);
        let view = View {
            is_reversed: true,
            ..view
        };
        assert_eq!(ids(&view), [open[0].id(), open[1].id(), open[2].id()]);
    }

    #[tokio::test]
    async fn a_pause_while_the_rows_are_sorted_changes_no_order() {
        // This thread stands still for a while after the clock has been read once.
        let pauses = Arc::new(AtomicU64::new(0));
        let due = Arc::clone(&pauses);
        let clock = move || {
            let now = Instant::now();
            if due.swap(0, SeqCst) > 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            now
        };
        let scope = Scope::builder().clock(clock).build();
        let _open: Vec<_> = (0..3).map(|_| scope.open().unwrap()).collect();
        let roll = Roll::call(&scope, None, false).await;
        pauses.store(1, SeqCst);
        let shown = select(&roll, &View::default());
        let ids: Vec<_> = shown.rows.iter().map(|it| it.id).collect();
        let youngest_first: Vec<_> = roll.entries.iter().rev().map(|it| it.id).collect();
        assert_eq!(ids, youngest_first);
    }
}

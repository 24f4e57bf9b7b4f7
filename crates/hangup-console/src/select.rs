//! Which rows a view shows.

use hangup::{Phase, State};

use crate::roll::{Entry, Roll};
use crate::view::{Sort, View};

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
    // The ids ascend with the time of the opening, so that the youngest one is the last.
    let from_the_end = view.is_reversed != (view.sort == Sort::Age);
    let (begin, end) = match from_the_end {
        false => (begin, end),
        true => (matched - end, matched - begin),
    };
    let nth = |at: usize| matching.as_ref().map_or(at, |all| all[at]);
    let mut indices = match view.sort {
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

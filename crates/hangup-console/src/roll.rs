//! All connections at about one time, in the order of their ids.

use hangup::report::ConnectionId;
use hangup::{Handle, Scope, State};

use crate::cooperate::cooperate;
use crate::details::Details;

/// How many of the details that have not changed are read anew for the next roll: a label or a
/// key may change without the state.
const ANEW: usize = 4096;

pub(crate) struct Roll {
    pub(crate) entries: Vec<Entry>,
    /// Of each entry, if a view needs them.
    pub(crate) details: Option<Details>,
    /// Where those begin that are read anew next.
    next: usize,
}

pub(crate) struct Entry {
    pub(crate) id: ConnectionId,
    pub(crate) state: State,
    pub(crate) handle: Handle,
}

impl Roll {
    /// Calls the roll. What has not changed is taken over from the roll `before`.
    pub(crate) async fn call(scope: &Scope, before: Option<&Self>, has_details: bool) -> Self {
        let mut entries = Vec::new();
        let handles = scope.handles();
        entries.reserve_exact(handles.len());
        for (index, handle) in handles.into_iter().enumerate() {
            entries.push(Entry {
                id: handle.id(),
                state: handle.state(),
                handle,
            });
            cooperate(index).await;
        }
        let (details, next) = match has_details {
            false => (None, 0),
            true => {
                let (details, next) = read(&entries, before).await;
                (Some(details), next)
            }
        };
        Self {
            entries,
            details,
            next,
        }
    }
}

/// The details of `entries`, and where those begin that are read anew next.
async fn read(entries: &[Entry], before: Option<&Roll>) -> (Details, usize) {
    let nothing = Details::default();
    let known = before.and_then(|roll| Some((&roll.entries[..], roll.details.as_ref()?)));
    let (ids, known) = known.unwrap_or((&[], &nothing));
    let begin = before.map_or(0, |roll| roll.next);
    let begin = if begin < entries.len() { begin } else { 0 };
    let anew = begin..begin + ANEW;
    let mut details = Details::with_capacity(entries.len(), known);
    // Both are in the order of the ids.
    let mut at = 0;
    for (index, entry) in entries.iter().enumerate() {
        while ids.get(at).is_some_and(|it| it.id < entry.id) {
            at += 1;
        }
        let same = ids
            .get(at)
            .is_some_and(|it| it.id == entry.id && it.state == entry.state);
        if same && !anew.contains(&index) {
            details.copy(known, at);
        } else {
            details.read(&entry.handle);
        }
        cooperate(index).await;
    }
    (details, anew.end)
}

#[cfg(test)]
mod tests {
    use hangup::{Conflict, Registry, Scope};

    use super::{ANEW, Roll};

    #[tokio::test]
    async fn what_has_changed_its_state_is_read_anew_and_the_rest_in_turn() {
        let scope = Scope::new();
        let workers = Registry::builder(Conflict::Replace).name("workers").build();
        let mut all: Vec<_> = (0..3 * ANEW).map(|_| Some(scope.open().unwrap())).collect();
        let find = |roll: &Roll, text: &str| roll.details.as_ref().unwrap().find(text);
        let first = Roll::call(&scope, None, true).await;
        assert_eq!(find(&first, "\n").len(), 3 * ANEW);
        // Beyond the first part.
        let (by_state, in_turn) = (2 * ANEW + 10, 2 * ANEW + 11);
        let mut setup = all[by_state].take().unwrap().register().unwrap();
        setup.join(&workers, "ada", ()).unwrap();
        all[in_turn].as_mut().unwrap().label("grace");
        drop(all[0].take());
        let second = Roll::call(&scope, Some(&first), true).await;
        assert_eq!(second.entries.len(), 3 * ANEW - 1);
        assert_eq!(find(&second, "workers=\"ada\""), [by_state - 1]);
        assert!(find(&second, "grace").is_empty());
        let mut roll = second;
        let mut calls = 0;
        while find(&roll, "grace").is_empty() {
            roll = Roll::call(&scope, Some(&roll), true).await;
            calls += 1;
        }
        assert!(calls <= 3, "{calls}");
        assert_eq!(find(&roll, "grace"), [in_turn - 1]);
        let roll = Roll::call(&scope, Some(&roll), false).await;
        assert!(roll.details.is_none());
    }
}

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

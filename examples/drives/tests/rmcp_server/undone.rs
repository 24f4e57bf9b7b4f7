//! What the server with sessions prints.

use std::collections::BTreeMap;

/// All sessions that have begun are forgotten, and then over, once each. One that has closed in
/// its set-up may be forgotten without that.
///
/// # Panics
///
/// If one is not, or there is none.
pub(crate) fn all(printed: &[String]) {
    let mut sessions = BTreeMap::<&str, Vec<&str>>::new();
    for line in printed {
        let session = line
            .strip_prefix("session ")
            .and_then(|it| it.split_once(' '));
        let (id, what) = session.unwrap_or_else(|| panic!("{line}"));
        sessions.entry(id).or_default().push(what);
    }
    assert!(!sessions.is_empty());
    println!("{} sessions are undone", sessions.len());
    let whole = ["begins", "is forgotten", "is over"];
    // The shutdown came before it was open.
    let early = ["is forgotten"];
    sessions.retain(|_, what| *what != whole && *what != early);
    assert!(sessions.is_empty(), "{sessions:?}");
}

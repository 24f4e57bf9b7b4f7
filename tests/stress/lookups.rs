//! Looking up, while others come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use hangup::Registry;
use hangup::report::ConnectionId;

use crate::clock::Clock;
use crate::witness::Witness;

pub(crate) type Workers = Registry<usize, Arc<Witness>>;

/// Each kind of lookup once: nothing may be found before it was live or after it had
/// closed, nor more than `most` under a key.
pub(crate) fn look_up(workers: &Workers, clock: &Clock, keys: usize, most: usize) {
    for key in 0..keys {
        let began = clock.now();
        if let Some(member) = workers.get(&key) {
            member.was_found(began);
            assert_eq!(member.key, key);
        }

        let began = clock.now();
        let members = workers.members(&key);
        for member in &members {
            member.was_found(began);
        }
        assert!(members.len() <= most, "{members:?}");
        assert!(workers.count(&key) <= most);
    }
    assert!(workers.len() <= keys * most);

    let mut keys = workers.keys().collect::<Vec<_>>();
    keys.sort_unstable();
    assert!(keys.is_sorted_by(|a, b| a < b), "twice: {keys:?}");
    iterate(workers, clock, most);
}

fn iterate(workers: &Workers, clock: &Clock, most: usize) {
    let mut found: BTreeMap<usize, Vec<ConnectionId>> = BTreeMap::new();
    let mut members = workers.iter();
    loop {
        // Each was live when it was yielded, not only when the loop began.
        let began = clock.now();
        let Some((key, member)) = members.next() else {
            break;
        };
        member.was_found(began);
        found.entry(key).or_default().push(member.handle().id());
    }
    for mut ids in found.into_values() {
        assert!(ids.len() <= most, "{ids:?}");
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b), "twice: {ids:?}");
    }
}

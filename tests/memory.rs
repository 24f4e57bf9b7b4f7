//! What is left of a burst.

use allocation_counter::measure;
use hangup::{Conflict, Live, Registry, Scope};

/// Of locks and of what is small enough to be kept.
const ROOM: i64 = 64 * 1024;
const BURST: u64 = 50_000;

fn connect(scope: &Scope, registry: &Registry<u64, u64>, key: u64) -> Live {
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(registry, key, key).unwrap();
    setup.go_live().unwrap()
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let crowd = Conflict::Share {
        max_per_key: usize::MAX,
    };
    let remembering = Registry::builder(crowd).remember_closes(10).build();
    // Each key for itself, all under one key, and a few remembered.
    let bursts = [
        (Registry::new(Conflict::Replace), u64::MAX),
        (Registry::new(crowd), 1),
        (remembering, u64::MAX),
    ];
    for (registry, keys) in bursts {
        let scope = Scope::new();
        let info = measure(|| {
            let mut lives: Vec<_> = (0..BURST)
                .map(|number| connect(&scope, &registry, number % keys))
                .collect();
            assert_eq!(registry.len() as u64, BURST);
            // Neither the newest nor the oldest first.
            let half = lives.len() / 2;
            lives.rotate_left(half);
            drop(lives);
        });
        assert!(info.bytes_current < ROOM, "left behind: {info:?}");
        assert!(info.bytes_max > 100 * ROOM as u64, "no burst: {info:?}");
        assert!(registry.is_empty());
    }
}

#[test]
fn nothing_is_kept_for_keys_that_nobody_uses() {
    let (scope, registry) = (Scope::new(), Registry::new(Conflict::Reject));
    let connect_all = |keys: std::ops::Range<u64>| {
        for key in keys {
            drop(connect(&scope, &registry, key));
        }
    };
    connect_all(0..1000);
    let info = measure(|| connect_all(1000..BURST));
    assert!(info.bytes_current < 1024, "left behind: {info:?}");
}

//! What an idle connection holds, for `ci/counts`: bytes and allocations.
//!
//! In a process of its own, since an allocator that counts takes instructions.

use std::hash::{BuildHasherDefault, DefaultHasher};

use allocation_counter::measure;
use hangup::{Conflict, Live, Registry, Scope};

/// Not randomly keyed, so that every run takes the same steps.
type Members = Registry<u64, (), BuildHasherDefault<DefaultHasher>>;

/// Tables double, so what one connection takes depends on how many there are: a mean over all
/// sizes between two doublings does not.
const CROWDS: [u64; 8] = [8704, 9728, 10752, 11776, 12800, 13824, 14848, 15872];

fn main() {
    print_held("alone", |scope, _, _| {
        scope.open().unwrap().register().unwrap().go_live().unwrap()
    });
    print_held("in_registry", |scope, members, key| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(members, key, ()).unwrap();
        setup.go_live().unwrap()
    });
}

fn print_held(name: &str, connect: impl Fn(&Scope, &Members, u64) -> Live) {
    let (mut bytes, mut allocations) = (0.0, 0.0);
    for count in CROWDS {
        let mut kept = None;
        let held = measure(|| {
            let (scope, members) = (
                Scope::new(),
                Members::with_hasher(Conflict::Replace, BuildHasherDefault::default()),
            );
            let lives: Vec<_> = (0..count)
                .map(|key| connect(&scope, &members, key))
                .collect();
            kept = Some((scope, members, lives));
        });
        let times = (count * CROWDS.len() as u64) as f64;
        bytes += held.bytes_current as f64 / times;
        allocations += held.count_current as f64 / times;
    }
    println!("bytes_{name} {bytes:.1}");
    println!("allocations_{name} {allocations:.2}");
}

//! A key that is only ever taken over has one owner at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use futures::executor::block_on;
use hangup::{Closed, Live, Registry, Scope};

use crate::ledger::{Turns, Undos, assert_nothing_is_left};
use crate::{POLICIES, THREADS, alone, step};

/// Of all threads together.
const CONNECTIONS: usize = 8000;

/// What two owners would do at once.
#[derive(Debug, Default)]
struct Resource {
    owners: AtomicUsize,
}

#[test]
fn there_are_never_two_owners_at_once_under_take_over() {
    let _alone = alone();
    for conflict in POLICIES {
        for threads in THREADS {
            let scope = Scope::new();
            let (undos, turns) = (Undos::default(), Turns::default());
            let workers = turns.of(Registry::builder(conflict));
            let resource = Arc::new(Resource::default());
            let connections = CONNECTIONS / threads;
            thread::scope(|running| {
                for _ in 0..threads {
                    running.spawn(|| {
                        let mut live = None;
                        for _ in 0..connections {
                            let next = take_over(&scope, &workers, &resource, &undos);
                            // The one before is closed by now, or the next one is.
                            live = next.ok().or(live);
                        }
                    });
                }
            });
            let opened = connections * threads;
            assert_nothing_is_left(&scope, &workers, opened, &undos, &turns);
            assert_eq!(resource.owners.load(Ordering::SeqCst), 0);
        }
    }
}

/// The undo first, then the step: as the docs of `Registering` ask for.
fn take_over(
    scope: &Scope,
    workers: &Registry<usize, ()>,
    resource: &Arc<Resource>,
    undos: &Undos,
) -> Result<Live, Box<dyn std::error::Error>> {
    let mut setup = scope.open()?.register()?;
    block_on(setup.take_over(workers, 0, ()))?;
    let is_owner = Arc::new(AtomicBool::new(false));
    undos.on_close(&mut setup, {
        let (resource, is_owner) = (Arc::clone(resource), Arc::clone(&is_owner));
        move || {
            if is_owner.load(Ordering::SeqCst) {
                resource.owners.fetch_sub(1, Ordering::SeqCst);
            }
        }
    });
    let acquired: Result<(), Closed> = block_on(setup.run(async {
        let owners = resource.owners.fetch_add(1, Ordering::SeqCst);
        is_owner.store(true, Ordering::SeqCst);
        assert_eq!(owners, 0, "two at once");
        step().await;
    }));
    acquired?;
    Ok(setup.go_live()?)
}

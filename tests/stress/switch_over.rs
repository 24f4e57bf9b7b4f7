//! A key whose members are only ever replaced is never vacant, and never held twice.

use std::thread;

use hangup::{CloseReason, Conflict, KeyError, Live, Registering, Registry, Scope};

use crate::{THREADS, alone, while_running};

/// Of all threads together.
const CONNECTIONS: usize = 20_000;

/// With a crowd.
const ROUNDS: usize = 200;

/// In set-up while another one goes live, and in the way of the lookups.
const CROWD: usize = 300;

type Workers = Registry<usize, ()>;

#[test]
fn one_is_found_at_every_instant_while_all_replace_each_other() {
    let _alone = alone();
    for threads in THREADS {
        let scope = Scope::new();
        let workers = Workers::new(Conflict::Replace);
        let first = connect(&scope, &workers).unwrap();
        let one_thread = || {
            let mut last = None;
            for _ in 0..CONNECTIONS / threads {
                match connect(&scope, &workers) {
                    // It has closed the one before, which is older.
                    Ok(live) => last = Some(live),
                    Err(KeyError::Closed(by)) => assert_eq!(by.reason, CloseReason::Superseded),
                    Err(error) => panic!("{error}"),
                }
            }
            last
        };
        let live: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
            while_running(&running, || assert_one_is_found(&workers));
            running
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(scope.stats().live, 1);
        drop((first, live));
        assert!(workers.is_empty());
        assert!(scope.handles().is_empty());
    }
}

/// A lookup takes its time to pass the crowd, and has passed the newcomer by then.
#[test]
fn one_is_found_at_every_instant_although_a_crowd_is_in_between() {
    let _alone = alone();
    let scope = Scope::new();
    let workers = Workers::new(Conflict::Replace);
    let mut live = connect(&scope, &workers).unwrap();
    thread::scope(|threads| {
        let reconnects = threads.spawn(|| {
            for _ in 0..ROUNDS {
                let set_ups = (0..CROWD).map(|_| join(&scope, &workers).unwrap());
                let set_ups: Vec<_> = set_ups.collect();
                live = connect(&scope, &workers).unwrap();
                drop(set_ups);
            }
        });
        while_running(&[reconnects], || assert_one_is_found(&workers));
    });
}

fn assert_one_is_found(workers: &Workers) {
    assert!(workers.get(&0).is_some());
    assert!(workers.contains(&0));
    assert_eq!(workers.members(&0).len(), 1);
    assert_eq!((workers.count(&0), workers.len()), (1, 1));
    assert!(!workers.is_empty());
    assert_eq!((workers.iter().count(), workers.keys().count()), (1, 1));
}

fn join(scope: &Scope, workers: &Workers) -> Result<Registering, KeyError> {
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(workers, 0, ())?;
    Ok(setup)
}

/// Or fails, if a later one was live earlier.
fn connect(scope: &Scope, workers: &Workers) -> Result<Live, KeyError> {
    Ok(join(scope, workers)?.go_live()?)
}

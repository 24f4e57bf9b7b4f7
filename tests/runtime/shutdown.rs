//! A runtime ends, and all that is open in it.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use hangup::{CloseReason, Handle, Scope};
use tokio::runtime::{self, Runtime};

use crate::bounded::{bounded, until};
use crate::phases::{drain_and_bind, open};
use crate::world::{UNDOS, World, assert_settled, runtime};

#[derive(Debug, Clone, Copy)]
enum End {
    Drop,
    Timeout,
    Background,
}

impl End {
    const ALL: [Self; 3] = [Self::Drop, Self::Timeout, Self::Background];

    fn of(self, runtime: Runtime) {
        match self {
            Self::Drop => drop(runtime),
            Self::Timeout => runtime.shutdown_timeout(Duration::from_secs(10)),
            Self::Background => runtime.shutdown_background(),
        }
    }
}

/// Settled, all of them, with nothing left of any.
fn until_all_have_settled(world: &World, handles: &[&Handle]) {
    until("settled", || {
        handles.iter().all(|handle| handle.try_settled().is_some())
    });
    until("empty", || world.is_empty());
    let stats = world.scope.stats();
    assert_eq!((stats.open(), stats.settling, stats.panics), (0, 0, 0));
    assert!(world.registry.is_empty());
}

fn all_settle(runtime: Runtime, world: &World, end: End) {
    let phases = open(&runtime, world);
    let others = drain_and_bind(&runtime, world);
    end.of(runtime);
    let handles: Vec<_> = phases.iter().map(|(_, handle, _)| handle).collect();
    until_all_have_settled(world, &handles);
    for (phase, handle, unfinished) in &phases {
        let settled = handle.try_settled().unwrap();
        match (*phase, unfinished) {
            (_, Some(unfinished)) => assert_settled(handle, unfinished),
            ("pending" | "taking over", _) => assert_eq!(settled.undos_run, 0),
            ("undoing", _) => assert_eq!(settled.abandoned, ["hanging", "undo"]),
            ("sleeping", _) => assert_eq!(settled.abandoned, ["asleep", "undo"]),
            _ => unreachable!("{phase}"),
        }
    }
    let undone = world.scope.stats().undos_run;
    assert_eq!(undone as usize, 7 * UNDOS + 2);
    until("drained and bound", || {
        let left = |scope: &Scope| scope.stats().open() + scope.stats().settling;
        others.iter().all(|scope| left(scope) == 0)
    });
}

#[test]
fn what_is_open_in_any_phase_settles_when_the_runtime_ends() {
    for end in End::ALL {
        bounded(move || {
            let runtime = runtime();
            let world = World::new(Scope::new());
            all_settle(runtime, &world, end);
        });
    }
}

#[test]
fn what_is_open_in_a_scope_with_that_runtime_settles_when_it_ends() {
    for end in End::ALL {
        bounded(move || {
            let runtime = runtime();
            let world = World::on(&runtime);
            all_settle(runtime, &world, end);
        });
    }
}

/// The others do not wait for it, and it does not lose its place.
#[test]
fn an_undo_that_holds_up_the_end_of_its_runtime_is_run_to_its_end() {
    bounded(|| {
        let runtime = runtime();
        let world = World::on(&runtime);
        let (go_on, wait) = channel::<()>();
        let (blocking, blocked) = channel();
        let stuck = runtime.block_on(async {
            let mut setup = world.register("stuck").unwrap();
            setup
                .on_close_async("stuck", || async move {
                    blocking.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .unwrap();
            setup.handle()
        });
        blocked.recv().unwrap();
        let phases = open(&runtime, &world);
        runtime.shutdown_timeout(Duration::from_millis(50));
        until("settled but one", || {
            phases
                .iter()
                .all(|(_, handle, _)| handle.try_settled().is_some())
        });
        assert_eq!(stuck.try_settled(), None);

        go_on.send(()).unwrap();
        until_all_have_settled(&world, &[&stuck]);
        // The next one finds no runtime.
        let settled = stuck.try_settled().unwrap();
        assert_eq!(settled.abandoned, ["undo"]);
        assert_eq!(settled.undos_run, UNDOS + 1);
    });
}

/// A close at the same time, from another thread.
#[test]
fn a_close_that_meets_the_end_of_the_runtime_loses_nothing() {
    for end in End::ALL {
        bounded(move || {
            for _ in 0..20 {
                let runtime = runtime();
                let world = World::on(&runtime);
                let phases = open(&runtime, &world);
                let scope = world.scope.clone();
                let closer = thread::spawn(move || scope.close_all(CloseReason::App(1)));
                end.of(runtime);
                closer.join().unwrap();
                let handles: Vec<_> = phases.iter().map(|(_, handle, _)| handle).collect();
                until_all_have_settled(&world, &handles);
            }
        });
    }
}

/// It has its task, which waits for somebody to drive it.
#[test]
fn an_undo_on_a_runtime_that_nobody_drives_waits_for_its_end() {
    bounded(|| {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let world = World::new(Scope::new());
        let setup = runtime.block_on(async { world.register("ada").unwrap() });
        let handle = setup.handle();
        drop(setup);
        assert_eq!(handle.try_settled(), None);
        drop(runtime);
        assert_settled(&handle, &["undo"]);
        assert!(world.is_empty(), "{:?}", world.census);
    });
}

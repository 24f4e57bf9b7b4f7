//! Connections that know no runtime, or none that is left.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use hangup::{CloseReason, Deadlines, OpenError, Registering, Scope};

use crate::bounded::{bounded, until};
use crate::world::{World, assert_settled, runtime};

fn setup(world: &World) -> Registering {
    let mut setup = world.scope.open().unwrap().register().unwrap();
    world.acquire(&mut setup, "outside");
    setup
}

#[test]
fn without_a_runtime_an_asynchronous_undo_is_reported_and_the_others_run() {
    bounded(|| {
        let world = World::new(Scope::new());
        let setup = setup(&world);
        let handle = setup.handle();
        drop(setup);
        assert_settled(&handle, &["undo"]);
        assert_eq!(world.scope.stats().undos_abandoned, 1);
        assert!(world.is_empty());
    });
}

#[test]
fn what_was_made_outside_is_undone_on_the_runtime_in_which_it_ends() {
    bounded(|| {
        let world = World::new(Scope::new());
        let live = setup(&world).go_live().unwrap();
        let handle = live.handle();
        runtime().block_on(async {
            drop(live);
            handle.settled().await;
        });
        assert_settled(&handle, &[]);
        assert!(world.is_empty());
    });
}

#[test]
fn what_was_made_outside_is_undone_on_the_runtime_of_its_scope() {
    bounded(|| {
        let runtime = runtime();
        let world = World::on(&runtime);
        let live = setup(&world).go_live().unwrap();
        let handle = live.handle();
        drop(live);
        block_on(handle.settled());
        assert_settled(&handle, &[]);
        until("empty", || world.is_empty());
    });
}

#[test]
fn a_scope_with_a_runtime_that_is_gone_does_all_that_needs_none() {
    bounded(|| {
        let runtime = runtime();
        let gone = runtime.handle().clone();
        drop(runtime);
        let builder = Scope::builder()
            .runtime(gone)
            .deadlines(Deadlines::new().setup(Duration::ZERO));
        let world = World::new(builder.swept_by_hand().build());
        let one = setup(&world);
        let handle = one.handle();
        drop(one);
        assert_settled(&handle, &["undo"]);

        let other = setup(&world);
        let now = Instant::now();
        let sweeps = (0..3).map(|second| world.scope.sweep(now + Duration::from_secs(second)));
        assert_eq!(sweeps.sum::<usize>(), 1);
        let handle = other.handle();
        drop(other);
        assert_settled(&handle, &["undo"]);
        world.scope.begin_drain();
        assert_eq!(world.scope.close_all(CloseReason::Shutdown), 0);
        block_on(world.scope.drained());
        assert_eq!(world.scope.open().unwrap_err(), OpenError::Draining);
        assert!(world.is_empty());
    });
}

#[test]
fn an_undo_that_comes_after_the_end_is_reported_as_well() {
    bounded(|| {
        let world = World::new(Scope::new());
        let mut setup = setup(&world);
        let handle = setup.handle();
        handle.close(CloseReason::App(1)).unwrap();
        setup.on_close_async("late", || async {}).unwrap_err();
        drop(setup);
        assert_eq!(handle.try_settled().unwrap().abandoned, ["late", "undo"]);
        assert_eq!(world.scope.stats().undos_abandoned, 2);
    });
}

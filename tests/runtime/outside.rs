//! Owners that were made in a runtime and end outside of it.

use std::any::Any;
use std::cell::RefCell;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::{Stream, stream};
use hangup::{CloseReason, Handle, Live, Scope};
use http_body_util::Full;

use crate::bounded::{bounded, until};
use crate::world::{World, assert_settled, runtime};

type Owner = (Handle, Box<dyn Any + Send>);

/// Every kind of owner, in use.
async fn owners(world: &World) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();

    let setup = world.register("registering").unwrap();
    owners.push((setup.handle(), Box::new(setup)));

    let mut setup = world.register("step").unwrap();
    let here = world.clone();
    let handle = setup.handle();
    owners.push((
        handle,
        polled(async move { setup.run(here.in_place()).await }),
    ));

    let live = world.register("live").unwrap().go_live().unwrap();
    owners.push((live.handle(), Box::new(live)));

    let live = world.register("stream").unwrap().go_live().unwrap();
    let (handle, alive) = (live.handle(), world.census.count("heartbeat"));
    let beat = move || {
        let _alive = &alive;
    };
    let events = live.stream(stream::pending());
    let mut events = Box::pin(events.heartbeat(Duration::from_secs(1), beat).unwrap());
    assert!(events.as_mut().poll_next(&mut nobody()).is_pending());
    owners.push((handle, Box::new(events)));

    let live = world.register("body").unwrap().go_live().unwrap();
    let body: Full<Bytes> = Full::from(Bytes::from_static(b"never sent"));
    let body = live.body(body).heartbeat(Duration::from_secs(1)).unwrap();
    owners.push((body.handle(), Box::new(body)));

    let live = world.register("loop").unwrap().go_live().unwrap();
    let here = world.clone();
    let handle = live.handle();
    owners.push((
        handle,
        polled(live.run(async move { here.in_place().await })),
    ));

    let live = world.register("task").unwrap().go_live().unwrap();
    let here = world.clone();
    let task = live.spawn(async move { here.in_place().await });
    owners.push((live.handle(), Box::new((task, live))));

    owners
}

fn polled<F: Future + Send + 'static>(future: F) -> Box<dyn Any + Send>
where
    F::Output: Send,
{
    let mut future = Box::pin(future);
    assert!(matches!(future.as_mut().poll(&mut nobody()), Poll::Pending));
    Box::new(future)
}

fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn an_owner_that_ends_outside_is_undone_on_the_runtime_that_made_it() {
    bounded(|| {
        let runtime = runtime();
        let world = World::new(Scope::new());
        for (handle, owner) in runtime.block_on(owners(&world)) {
            drop(owner);
            // On no runtime either.
            block_on(handle.settled());
            assert_settled(&handle, &[]);
        }
        until("empty", || world.is_empty());
        let metrics = runtime.metrics();
        until("without tasks", || metrics.num_alive_tasks() == 0);
    });
}

#[test]
fn an_owner_that_outlives_its_runtime_is_undone_where_it_ends_and_says_what_was_not() {
    bounded(|| {
        for with_runtime in [false, true] {
            let runtime = runtime();
            let world = if with_runtime {
                World::on(&runtime)
            } else {
                World::new(Scope::new())
            };
            let owners = runtime.block_on(owners(&world));
            drop(runtime);
            // They stay open, but for the one whose task the runtime has dropped.
            assert_eq!(world.scope.stats().open(), owners.len() - 1);
            for (handle, owner) in owners {
                drop(owner);
                assert_settled(&handle, &["undo"]);
            }
            assert!(world.is_empty(), "{:?}", world.census);
        }
    });
}

/// Closed, not dropped: the owner still has what it drives.
#[test]
fn what_is_closed_when_its_runtime_is_gone_is_undone_by_who_closes() {
    bounded(|| {
        let runtime = runtime();
        let world = World::on(&runtime);
        let owners = runtime.block_on(owners(&world));
        drop(runtime);
        for (handle, owner) in owners {
            if let Err(closed) = handle.close(CloseReason::Shutdown) {
                // Its task was dropped by the runtime.
                assert_eq!(closed.reason, CloseReason::Failed);
            }
            // One in a step is undone where that stops.
            drop(owner);
            assert_settled(&handle, &["undo"]);
        }
        assert!(world.is_empty(), "{:?}", world.census);
    });
}

thread_local! {
    static LAST: RefCell<Option<Live>> = const { RefCell::new(None) };
}

/// The destructors of a thread run when there is hardly anything left of it.
#[test]
fn an_owner_that_ends_with_its_thread_is_undone_all_the_same() {
    bounded(|| {
        let runtime = runtime();
        let world = World::new(Scope::new());
        for entered in [false, true] {
            let setup = runtime.block_on(async { world.register("ada").unwrap() });
            let live = setup.go_live().unwrap();
            let handle = live.handle();
            let enters = entered.then(|| runtime.handle().clone());
            thread::spawn(move || {
                LAST.set(Some(live));
                // What tokio keeps for a thread goes before it, or after it.
                if let Some(runtime) = enters {
                    runtime.block_on(async {});
                }
            })
            .join()
            .unwrap();
            block_on(handle.settled());
            assert_settled(&handle, &[]);
        }
        until("empty", || world.is_empty());
    });
}

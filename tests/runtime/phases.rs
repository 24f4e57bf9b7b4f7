//! A connection in every phase, in tasks of a runtime.

use std::future::pending;
use std::time::Duration;

use futures::{StreamExt, stream};
use hangup::{Closed, Handle, Scope};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::bounded::until;
use crate::world::World;

/// Each with what should be unfinished if the runtime ends there, or `None` if it has acquired
/// nothing.
pub(crate) type Phases = Vec<(&'static str, Handle, Option<&'static [&'static str]>)>;

/// The connections, when all of them are where they should be.
pub(crate) fn open(runtime: &Runtime, world: &World) -> Phases {
    let _entered = runtime.enter();
    let mut phases = Vec::new();

    let pending = world.scope.open().unwrap();
    phases.push(("pending", pending.handle(), None));
    spawn(world, |world| async move {
        let _pending = pending;
        world.in_place().await;
        Ok(())
    });

    let mut setup = world.register("step").unwrap();
    phases.push(("step", setup.handle(), Some(&["undo"][..])));
    spawn(
        world,
        |world| async move { setup.run(world.in_place()).await },
    );

    let mut setup = world.register("finish").unwrap();
    phases.push(("finish", setup.handle(), Some(&["finish", "undo"])));
    spawn(world, |world| async move {
        let work = world.clone();
        setup
            .finish("finish", async move { work.in_place().await })
            .await
    });

    let live = world.register("stream").unwrap().go_live().unwrap();
    phases.push(("stream", live.handle(), Some(&["undo"])));
    spawn(world, |world| async move {
        let alive = world.census.count("source");
        let source = stream::pending::<()>().inspect(move |()| {
            let _alive = &alive;
        });
        let alive = world.census.count("heartbeat");
        let beat = move || {
            let _alive = &alive;
        };
        let events = live
            .stream(source)
            .heartbeat(Duration::from_millis(1), beat)
            .unwrap();
        let beating = events.for_each(|()| async {});
        tokio::join!(beating, world.in_place());
        Ok(())
    });

    let live = world.register("loop").unwrap().go_live().unwrap();
    phases.push(("loop", live.handle(), Some(&["undo"])));
    spawn(world, |world| async move {
        live.run(world.in_place()).await.map_err(Closed::from)
    });

    let live = world.register("task").unwrap().go_live().unwrap();
    phases.push(("task", live.handle(), Some(&["undo"])));
    let task = world.clone();
    drop(live.spawn(async move { task.in_place().await }));
    spawn(world, |world| async move {
        let _live = live;
        world.in_place().await;
        Ok(())
    });

    let mut setup = world.register("undoing").unwrap();
    phases.push(("undoing", setup.handle(), None));
    let undo = world.clone();
    setup
        .on_close_async("hanging", || async move { undo.in_place().await })
        .unwrap();
    drop(setup);

    let mut setup = world.register("sleeping").unwrap();
    phases.push(("sleeping", setup.handle(), None));
    let undo = world.clone();
    setup
        .on_close_async("asleep", || async move {
            let hour = sleep(Duration::from_secs(3600));
            tokio::join!(hour, undo.in_place());
        })
        .unwrap();
    drop(setup);

    // The one above under the same key does not settle.
    let mut setup = world.scope.open().unwrap().register().unwrap();
    phases.push(("taking over", setup.handle(), None));
    spawn(world, |world| async move {
        let member = world.census.count("member");
        let taking_over = setup.take_over(&world.registry, "sleeping".to_owned(), member);
        let (won, ()) = tokio::join!(taking_over, world.in_place());
        won.unwrap();
        Ok(())
    });

    let handles: Vec<_> = phases.iter().map(|(_, handle, _)| handle.clone()).collect();
    for handle in handles {
        drop(tokio::spawn(async move { handle.settled().await }));
    }
    until("in place", || world.in_places() == IN_PLACE);
    phases
}

/// One more for the task.
const IN_PLACE: usize = 10;

fn spawn<F, Fut>(world: &World, phase: F)
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = Result<(), Closed>> + Send + 'static,
{
    drop(tokio::spawn(phase(world.clone())));
}

/// A scope in mid drain, and one that is bound to a signal.
pub(crate) fn drain_and_bind(runtime: &Runtime, world: &World) -> Vec<Scope> {
    let _entered = runtime.enter();
    let draining = World {
        scope: Scope::new(),
        ..world.clone()
    };
    let mut setup = draining.register("draining").unwrap();
    setup.on_close_async("undo", pending).unwrap();
    drop(tokio::spawn({
        let scope = draining.scope.clone();
        async move { scope.drain(Duration::from_secs(3600)).await.unwrap() }
    }));
    drop(tokio::spawn(async move {
        let _setup = setup;
        pending::<()>().await;
    }));
    until("draining", || draining.scope.stats().settling == 1);

    let bound = World {
        scope: Scope::new(),
        ..world.clone()
    };
    bound
        .scope
        .abort_on(world.token.clone().cancelled_owned())
        .unwrap();
    let live = bound.register("bound").unwrap().go_live().unwrap();
    drop(tokio::spawn(live.run(pending::<()>())));
    vec![draining.scope, bound.scope]
}

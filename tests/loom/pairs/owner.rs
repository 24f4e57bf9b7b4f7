//! What the owner of a connection does: one thread, since there is one owner.

use std::future::{pending, poll_fn};
use std::mem::{forget, replace};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use hangup::CloseReason;

use super::world::{KEY, World};
use super::{Act, act};
use crate::model::poll_once;
use crate::spawn_with::OnCloseSpawn;

const REASON: CloseReason = CloseReason::App(1);

pub(super) fn register(world: &Arc<World>) -> Act {
    let (pending, _) = world.open();
    act(move || pending.register())
}

pub(super) fn close_pending(world: &Arc<World>) -> Act {
    let ((pending, _), world) = (world.open(), Arc::clone(world));
    act(move || world.claim(REASON, pending.close(REASON)))
}

pub(super) fn drop_pending(world: &Arc<World>) -> Act {
    let (pending, _) = world.open();
    act(move || drop(pending))
}

pub(super) fn join(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.acquiring(), Arc::clone(world));
    act(move || {
        world.join(&mut setup, &witness);
        setup
    })
}

/// Of one that is live.
pub(super) fn take_over(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.acquiring(), Arc::clone(world));
    let (predecessor, old) = world.live();
    world.keep(predecessor);
    world.take_over();
    act(move || {
        let registry = &world.registries[0];
        if world
            .block_on(setup.take_over(registry, KEY, witness))
            .is_ok()
        {
            old.check_undone(1);
        }
        drop(old);
        setup
    })
}

pub(super) fn on_close(world: &Arc<World>) -> Act {
    let (mut setup, witness) = world.joined();
    act(move || {
        witness.acquire(&mut setup);
        setup
    })
}

pub(super) fn run(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.joined(), Arc::clone(world));
    act(move || {
        _ = world.block_on(setup.run(witness.work(1)));
        setup
    })
}

pub(super) fn run_polled_again(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.joined(), Arc::clone(world));
    act(move || {
        _ = world.block_on(setup.run(witness.work(2)));
        setup
    })
}

/// A step of a live connection.
pub(super) fn live_step(world: &Arc<World>) -> Act {
    let ((setup, witness), world) = (world.joined(), Arc::clone(world));
    act(move || {
        witness.set_up.state();
        let mut live = setup.go_live().ok()?;
        _ = world.block_on(live.step(witness.work(1)));
        Some(live)
    })
}

pub(super) fn drop_step(world: &Arc<World>) -> Act {
    let (mut setup, witness) = world.joined();
    act(move || {
        _ = poll_once(pin!(setup.run(witness.work(0))), Waker::noop());
        setup
    })
}

/// With the whole handler.
pub(super) fn drop_in_step(world: &Arc<World>) -> Act {
    let (mut setup, witness) = world.joined();
    let work = witness.work(0);
    let mut handler = Box::pin(async move { _ = setup.run(work).await });
    drop(witness);
    act(move || {
        _ = poll_once(handler.as_mut(), Waker::noop());
        drop(handler);
    })
}

pub(super) fn forget_step(world: &Arc<World>) -> Act {
    let (mut setup, _) = world.joined();
    world.leave_in_step();
    act(move || {
        let mut step = Box::pin(setup.run(pending::<()>()));
        _ = poll_once(step.as_mut(), Waker::noop());
        forget(step);
        setup
    })
}

pub(super) fn go_live(world: &Arc<World>) -> Act {
    let (setup, witness) = world.joined();
    act(move || {
        witness.set_up.state();
        setup.go_live()
    })
}

/// Instead of one that is live.
pub(super) fn switch_over(world: &Arc<World>) -> Act {
    let (mut setup, witness) = world.acquiring();
    world.keep(world.live().0);
    world.join(&mut setup, &witness);
    act(move || {
        witness.set_up.state();
        setup.go_live()
    })
}

pub(super) fn close_setup(world: &Arc<World>) -> Act {
    let ((setup, _), world) = (world.joined(), Arc::clone(world));
    act(move || world.claim(REASON, setup.close(REASON)))
}

pub(super) fn drop_setup(world: &Arc<World>) -> Act {
    let (setup, _) = world.joined();
    act(move || drop(setup))
}

/// The undo is a task, which either thread may have to run.
pub(super) fn drop_with_async_undo(world: &Arc<World>) -> Act {
    let (mut setup, witness) = world.joined();
    let undo = witness.undo();
    setup
        .on_close_spawn("undo", world.spawn(), || async { undo() })
        .unwrap();
    act(move || drop(setup))
}

/// Yields for ever, or never, or once.
struct Source(Poll<Option<()>>);

impl Stream for Source {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
        self.0
    }
}

pub(super) fn poll_stream(world: &Arc<World>) -> Act {
    let ((live, _), world) = (world.live(), Arc::clone(world));
    let mut stream = live.stream(Source(Poll::Pending));
    act(move || {
        let waker = world.sleep();
        let mut cx = Context::from_waker(&waker);
        if Pin::new(&mut stream).poll_next(&mut cx).is_ready() {
            world.stay_awake();
        }
        stream
    })
}

/// I4: a poll that begins after a close has returned yields nothing.
pub(super) fn poll_ready_stream(world: &Arc<World>) -> Act {
    let ((live, _), world) = (world.live(), Arc::clone(world));
    let mut stream = live.stream(Source(Poll::Ready(Some(()))));
    world.listen();
    act(move || {
        let silent = world.is_closed();
        let mut cx = Context::from_waker(Waker::noop());
        let item = Pin::new(&mut stream).poll_next(&mut cx);
        assert!(
            !silent || item == Poll::Ready(None),
            "an item after the close"
        );
        stream
    })
}

pub(super) fn end_stream(world: &Arc<World>) -> Act {
    let ((live, _), world) = (world.live(), Arc::clone(world));
    let mut stream = live.stream(Source(Poll::Ready(None)));
    act(move || {
        let ended = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx));
        assert_eq!(world.block_on(ended), None);
        stream
    })
}

pub(super) fn drop_stream(world: &Arc<World>) -> Act {
    let (live, _) = world.live();
    let stream = live.stream(Source(Poll::Pending));
    act(move || drop(stream))
}

pub(super) fn run_live(world: &Arc<World>) -> Act {
    let ((live, _), world) = (world.live(), Arc::clone(world));
    let mut slept = false;
    let body = poll_fn(move |cx| {
        if replace(&mut slept, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    act(move || _ = world.block_on(live.run(body)))
}

pub(super) fn tracked_task(world: &Arc<World>) -> Act {
    let ((live, witness), world) = (world.live(), Arc::clone(world));
    act(move || {
        _ = world.block_on(live.track(witness.work(2)));
        live
    })
}

pub(super) fn touch(world: &Arc<World>) -> Act {
    let (live, _) = world.live();
    act(move || {
        live.touch();
        live
    })
}

pub(super) fn close_live(world: &Arc<World>) -> Act {
    let ((live, _), world) = (world.live(), Arc::clone(world));
    act(move || world.claim(REASON, live.close(REASON)))
}

pub(super) fn drop_live(world: &Arc<World>) -> Act {
    let (live, _) = world.live();
    act(move || drop(live))
}

/// Where an owner stands still, and what it does when it is woken.
pub(super) fn set_up_slowly(world: &Arc<World>) -> Act {
    let (setup, _) = world.joined();
    act(move || setup)
}

pub(super) fn sleep_in_a_step(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.joined(), Arc::clone(world));
    let handle = setup.handle();
    let work = witness.work(0);
    drop(witness);
    let mut owner = Box::pin(async move { _ = setup.run(work).await });
    assert!(poll_once(owner.as_mut(), &world.sleep()).is_pending());
    world.leave_in_step();
    act(move || {
        let ended = poll_once(owner.as_mut(), Waker::noop()).is_ready();
        assert_eq!(ended, handle.state().is_closed());
        world.end_step();
        owner
    })
}

pub(super) fn sleep_in_a_stream(world: &Arc<World>) -> Act {
    let (live, _) = world.live();
    let mut stream = live.stream(Source(Poll::Pending));
    let waker = world.sleep();
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut stream).poll_next(&mut cx).is_pending());
    act(move || stream)
}

//! What anyone may do to a connection, its scope and its registries at any time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;

use hangup::report::Member;
use hangup::{CloseReason, OpenError, Pending, State};

use super::witness::Witness;
use super::world::{KEY, MAX, World};
use super::{Act, act};
use crate::model::poll_once;

/// What `look` does to the connection.
fn on_subject(
    world: &Arc<World>,
    look: impl FnOnce(&World, &Arc<Witness>) + Send + 'static,
) -> Act {
    let (world, subject) = (Arc::clone(world), world.subject());
    act(move || look(&world, &subject))
}

pub(super) fn close(world: &Arc<World>) -> Act {
    let reason = CloseReason::App(2);
    on_subject(world, move |world, subject| {
        world.claim(reason, subject.handle.close(reason));
    })
}

/// It only ever goes on, and says the same in the end.
pub(super) fn look(world: &Arc<World>) -> Act {
    on_subject(world, |_, subject| {
        let before = subject.handle.state();
        let settlement = subject.handle.try_settled();
        let after = subject.handle.state();
        let rank = |state| match state {
            State::Pending => 0,
            State::Registering => 1,
            State::Live => 2,
            State::Closed(_) => 3,
        };
        assert!(rank(before) <= rank(after), "{before}, {after}");
        assert!(!before.is_closed() || before == after, "{before}, {after}");
        if let Some(settled) = settlement {
            assert_eq!(after.closed(), Some(settled.closed));
            subject.check_settled(&settled);
        }
    })
}

pub(super) fn await_closed(world: &Arc<World>) -> Act {
    world.wait_for_the_end();
    on_subject(world, |world, subject| {
        let closed = world.block_on(subject.handle.closed());
        assert_eq!(subject.handle.state(), State::Closed(closed));
    })
}

pub(super) fn await_settled(world: &Arc<World>) -> Act {
    world.wait_for_the_end();
    on_subject(world, |world, subject| {
        let settled = world.block_on(subject.handle.settled());
        subject.check_settled(&settled);
        assert!(world.scope.handles().iter().all(|it| *it != subject.handle));
    })
}

pub(super) fn give_up_waiting(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        let (closed, settled) = (subject.handle.closed(), subject.handle.settled());
        let (mut closed, mut settled) = (Box::pin(closed), Box::pin(settled));
        if let Poll::Ready(settled) = poll_once(settled.as_mut(), &world.waker()) {
            subject.check_settled(&settled);
            assert!(poll_once(closed.as_mut(), &world.waker()).is_ready());
        } else {
            _ = poll_once(closed.as_mut(), &world.waker());
        }
    })
}

pub(super) fn touch(world: &Arc<World>) -> Act {
    on_subject(world, |_, subject| subject.handle.touch())
}

pub(super) fn abandon_undos(world: &Arc<World>) -> Act {
    world.abandon();
    on_subject(world, |_, subject| subject.handle.abandon_undos())
}

/// I3: live all the time is visible, or replaced; not live at any time is not.
fn check_lookup(
    world: &World,
    subject: &Witness,
    lookup: impl FnOnce() -> Vec<Member<Arc<Witness>>>,
) {
    let before = subject.handle.state();
    let found = lookup();
    let after = subject.handle.state();
    assert!(found.len() <= 1, "two at once");
    world.check_found(found.first().map(|member| &**member));
    let is_found = found
        .iter()
        .any(|member| *member.handle() == subject.handle);
    let never = before.is_closed() || matches!(after, State::Pending | State::Registering);
    assert!(!never || !is_found, "visible, and never live");
    let always = before.is_live() && after.is_live();
    assert!(!always || !found.is_empty(), "live, and nobody is visible");
}

pub(super) fn get(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        check_lookup(world, subject, || {
            world.registries[0].get(&KEY).into_iter().collect()
        });
    })
}

pub(super) fn members(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        check_lookup(world, subject, || world.registries[0].members(&KEY));
    })
}

pub(super) fn iter(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        check_lookup(world, subject, || {
            let found = world.registries[0].iter();
            found.map(|(_, member)| member).collect()
        });
    })
}

/// I3, R21: in both registries it comes and goes at once.
pub(super) fn look_into_both(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        let [one, other] = &world.registries;
        let seen = [one, other, one].map(|registry| {
            let found = registry.get(&KEY);
            world.check_found(found.as_deref());
            found.is_some_and(|found| *found.handle() == subject.handle)
        });
        let in_both = subject.joined.load(SeqCst) && seen[0];
        assert!(
            !in_both || seen[1] || !seen[2],
            "in one, and gone from the other"
        );
        assert!(one.len() <= 1 && other.len() <= 1, "two at once");
    })
}

pub(super) fn last_close(world: &Arc<World>) -> Act {
    on_subject(world, |world, subject| {
        let closed = subject.handle.state().is_closed();
        let last = world.registries[1].last_close(&KEY);
        let known = closed && subject.joined.load(SeqCst);
        assert!(!known || last.is_some(), "forgotten for a moment");
    })
}

pub(super) fn close_by_key(world: &Arc<World>) -> Act {
    let reason = CloseReason::App(3);
    on_subject(world, move |world, _| {
        world.claim_all(reason, world.registries[0].close(&KEY, reason));
    })
}

pub(super) fn close_where(world: &Arc<World>) -> Act {
    let reason = CloseReason::App(4);
    on_subject(world, move |world, subject| {
        let closed = world.registries[1].close_where(|_, it| Arc::ptr_eq(it, subject), reason);
        world.claim_all(reason, closed);
    })
}

pub(super) fn close_all(world: &Arc<World>) -> Act {
    let reason = CloseReason::App(5);
    on_subject(world, move |world, _| {
        world.claim_all(reason, world.scope.close_all(reason));
    })
}

/// What is overdue closes. Each owner has done nothing for that long.
pub(super) fn sweep(world: &Arc<World>) -> Act {
    world.date();
    on_subject(world, |world, _| {
        let late = world.late;
        world.claim_all(CloseReason::Expired, world.scope.sweep(late));
    })
}

/// All that comes before the drain is seen by whoever is refused.
pub(super) fn begin_drain(world: &Arc<World>) -> Act {
    on_subject(world, |world, _| {
        world.scope.begin_drain();
        assert_eq!(world.scope.open().unwrap_err(), OpenError::Draining);
    })
}

pub(super) fn drain(world: &Arc<World>) -> Act {
    world.wait_for_the_end();
    on_subject(world, |world, _| {
        world.scope.begin_drain();
        let closed = world.scope.close_all(CloseReason::Shutdown);
        world.claim_all(CloseReason::Shutdown, closed);
        world.block_on(world.scope.drained());
        for witness in world.witnesses() {
            let settled = witness
                .handle
                .try_settled()
                .expect("drained, and not settled");
            witness.check_settled(&settled);
        }
    })
}

/// R7: nobody is missing from the counts, nor in them twice.
pub(super) fn stats(world: &Arc<World>) -> Act {
    on_subject(world, |world, _| {
        let opened = world.opened.get();
        let stats = world.scope.stats();
        let closed = stats.closed.values().sum::<u64>() as usize;
        let total = stats.open() + stats.settling + closed;
        assert!((opened..=world.opening.get()).contains(&total), "{stats:?}");
    })
}

/// I6: one place is free. Another one is when somebody has settled.
pub(super) fn open(world: &Arc<World>) -> Act {
    world.crowd();
    let world = Arc::clone(world);
    act(move || {
        let opened = [(); 2].map(|()| world.try_open().map(|(pending, _)| pending));
        assert!(world.scope.handles().len() <= MAX, "one too many");
        let earlier = world.witnesses_before();
        let earlier = earlier.iter().map(|it| it.handle.clone());
        let mut before = earlier.chain(opened[0].as_ref().ok().map(Pending::handle));
        let closed = before.any(|it| it.state().is_closed());
        assert!(closed || opened[1].is_err(), "nobody made room");
        opened
    })
}

/// Another one comes under the key.
pub(super) fn join(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.acquiring(), Arc::clone(world));
    act(move || {
        world.join(&mut setup, &witness);
        // A take-over and a drain wait for the drop of a set-up.
        (!world.takes_over() && !world.waits()).then_some(setup)
    })
}

/// Another one goes.
pub(super) fn leave(world: &Arc<World>) -> Act {
    let (setup, _) = world.joined();
    act(move || drop(setup))
}

/// Another one, which came later, goes live.
pub(super) fn replace(world: &Arc<World>) -> Act {
    let (setup, witness) = world.joined();
    act(move || {
        witness.set_up.state();
        setup.go_live()
    })
}

/// Another one takes over: when it has, its predecessor is undone.
pub(super) fn take_over(world: &Arc<World>) -> Act {
    world.wait_for_the_end();
    let ((mut setup, witness), world) = (world.acquiring(), Arc::clone(world));
    let subject = world.subject();
    let acquired = subject.acquired();
    act(move || {
        let registry = &world.registries[0];
        let taken = world.block_on(setup.take_over(registry, KEY, Arc::clone(&witness)));
        if taken.is_ok() && subject.joined.load(SeqCst) {
            subject.check_undone(acquired);
        }
        drop(subject);
        // A set-up would keep others waiting.
        witness.set_up.state();
        setup.go_live()
    })
}

/// Another one would take over, and gives up.
pub(super) fn give_up_taking_over(world: &Arc<World>) -> Act {
    let ((mut setup, witness), world) = (world.acquiring(), Arc::clone(world));
    act(move || {
        let registry = &world.registries[0];
        {
            let taking = pin!(setup.take_over(registry, KEY, witness));
            _ = poll_once(taking, &world.waker());
        }
        // If it was superseded, its successor waits for this.
        drop(setup);
    })
}

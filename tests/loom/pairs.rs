//! Every operation meets every other one, whatever the two are: two threads, in every
//! interleaving, and after each the same must hold ([`world`]). Three, where that is quick.
//!
//! ```text
//! ci/loom pairs::                       all of them
//! ci/loom owners::go_live::x::close     the owner's go_live, and a close from elsewhere
//! ci/loom x::close                      a close from elsewhere, and whatever it meets
//! ```
//!
//! What only one of the two could say is in the other modules.

mod anyone;
mod owner;
mod witness;
mod world;

use std::sync::Arc;

use loom::thread::{JoinHandle, spawn};

use crate::model::{model, model_3};
use world::World;

/// What one thread does, and what is left of what it had.
type Act = Box<dyn FnOnce() -> Left + Send>;
type Left = Box<dyn Send>;

/// Makes ready what there must be before the two threads begin.
type Operation = fn(&Arc<World>) -> Act;

fn act<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Act {
    Box::new(move || Box::new(f()))
}

fn run(act: Act, world: &World) -> Left {
    let left = act();
    world.run_tasks();
    left
}

fn spawn_act(act: Act, world: &Arc<World>) -> JoinHandle<Left> {
    let world = Arc::clone(world);
    spawn(move || run(act, &world))
}

/// The owner does one thing, somebody else another. If that one waits for the end, the
/// owner goes then.
fn owner_vs_anyone(owner: Operation, anyone: Operation) {
    model(move || {
        let world = World::new();
        let owner = owner(&world);
        let anyone = anyone(&world);
        world.ready();
        let other = spawn_act(anyone, &world);
        let mut left = Some(run(owner, &world));
        if world.waits() {
            drop(left.take());
            world.run_tasks();
        }
        let others = other.join().unwrap();
        world.check_now();
        drop((left, others));
        world.run_tasks();
        world.check();
    });
}

/// Where the owner stands still.
const STANDING: [Operation; 3] = [
    owner::set_up_slowly,
    owner::sleep_in_a_step,
    owner::sleep_in_a_stream,
];

/// Two others do one thing each, while the owner stands still. If the second one waits
/// for the end, the owner goes when the first one is done.
fn anyone_vs_anyone(one: Operation, other: Operation) {
    for stand in STANDING {
        model(move || {
            let world = World::new();
            let owner = stand(&world);
            let (one, other) = (one(&world), other(&world));
            world.ready();
            let other = spawn_act(other, &world);
            let left = run(one, &world);
            let mut owner = Some(owner);
            if world.waits() {
                world.end_step();
                owner = None;
            }
            let others = other.join().unwrap();
            world.check_now();
            let owner = owner.map(|owner| owner());
            world.check_now();
            drop((owner, left, others));
            world.check();
        });
    }
}

/// Two wait for the end, and the owner goes.
fn two_wait_3(one: Operation, other: Operation) {
    for stand in STANDING {
        model_3(1, move || {
            let world = World::new();
            let owner = stand(&world);
            let (one, other) = (one(&world), other(&world));
            world.ready();
            world.end_step();
            let waiting = [one, other].map(|act| spawn_act(act, &world));
            drop(owner);
            let left = waiting.map(|thread| thread.join().unwrap());
            world.check_now();
            drop(left);
            world.check();
        });
    }
}

/// The owner does one thing, and two others one each, of which one is a close.
fn owner_vs_close_vs_anyone_3(owner: Operation, anyone: Operation) {
    model_3(2, move || {
        let world = World::new();
        let owner = owner(&world);
        let others = [anyone::close, anyone].map(|operation| operation(&world));
        world.ready();
        let others = others.map(|act| spawn_act(act, &world));
        let left = run(owner, &world);
        let others = others.map(|thread| thread.join().unwrap());
        world.check_now();
        drop((left, others));
        world.run_tasks();
        world.check();
    });
}

macro_rules! tests {
    ($run:ident($one:path): [$($other:ident)*]) => {
        $(
            #[test]
            fn $other() {
                crate::pairs::$run($one, crate::pairs::anyone::$other);
            }
        )*
    };
}

macro_rules! each_with_each {
    ($run:ident: $by:ident [$($one:ident)*] x $others:tt) => {
        $(
            mod $one {
                mod x {
                    tests! { $run(crate::pairs::$by::$one): $others }
                }
            }
        )*
    };
}

/// Each two, also twice the same.
macro_rules! each_with_the_rest {
    ($run:ident: []) => {};
    ($run:ident: [$one:ident $($rest:ident)*]) => {
        mod $one {
            mod x {
                tests! { $run(crate::pairs::anyone::$one): [$one $($rest)*] }
            }
        }
        each_with_the_rest! { $run: [$($rest)*] }
    };
}

mod owners {
    each_with_each! {
        owner_vs_anyone: owner [
            register close_pending drop_pending
            join take_over on_close run run_polled_again live_step
            drop_step drop_in_step forget_step
            go_live switch_over close_setup drop_setup drop_with_async_undo
            poll_stream poll_ready_stream end_stream drop_stream run_live tracked_task
            touch close_live drop_live
        ] x [
            close look give_up_waiting touch abandon_undos
            get members iter look_into_both last_close
            close_by_key close_where close_all sweep begin_drain stats open
            join leave replace give_up_taking_over
            await_closed await_settled drain take_over
        ]
    }
}

mod others {
    each_with_the_rest! {
        anyone_vs_anyone: [
            close look give_up_waiting touch abandon_undos
            get members iter look_into_both last_close
            close_by_key close_where close_all sweep begin_drain stats open
            join leave replace give_up_taking_over
        ]
    }
}

mod waiting {
    each_with_each! {
        anyone_vs_anyone: anyone [
            close look give_up_waiting touch abandon_undos
            get members iter look_into_both last_close
            close_by_key close_where close_all sweep begin_drain stats open
            join leave replace give_up_taking_over
        ] x [await_closed await_settled drain take_over]
    }
}

mod two_waiting_3 {
    each_with_the_rest! { two_wait_3: [await_closed await_settled drain take_over] }
}

mod three_3 {
    each_with_each! {
        owner_vs_close_vs_anyone_3: owner [
            register join run live_step drop_in_step go_live switch_over
            poll_stream drop_live drop_with_async_undo
        ] x [close look_into_both close_all sweep stats leave replace]
    }
}

//! Asynchronous undos that wait for a slot.

use std::future::pending;

use hangup::runtime::BoxFuture;
use hangup::{Registering, Scope};
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{model, model_3, settled};
use crate::spawn_with::OnCloseSpawn;
use crate::undoing::{Order, Task, on_a_thread};

fn one_at_a_time() -> Scope {
    Scope::builder().max_running_undos(1).build()
}

fn setup(scope: &Scope) -> Registering {
    scope.open().unwrap().register().unwrap()
}

/// Two connections end at once: their undos run one after the other, and none is forgotten.
#[test]
fn two_ends_vs_one_slot_3() {
    let spawns: [fn(BoxFuture<()>); 2] = [block_on, on_a_thread];
    for spawn_first in spawns {
        model_3(2, move || {
            let (order, scope) = (Order::new(), one_at_a_time());
            let (mut first, mut second) = (setup(&scope), setup(&scope));
            let handles = [first.handle(), second.handle()];
            first
                .on_close_spawn("first", spawn_first, order.slow(1))
                .unwrap();
            second
                .on_close_spawn("second", block_on, order.slow(2))
                .unwrap();
            let ending = spawn(move || drop(first));
            drop(second);
            ending.join().unwrap();
            for handle in &handles {
                let settled = block_on(handle.settled());
                assert_eq!((settled.undos_run, settled.abandoned.len()), (1, 0));
            }
            order.check(&[&[1, 2], &[2, 1]]);
        });
    }
}

/// An undo that waits is abandoned while the slot comes free: it ends once, and the slot is not
/// lost.
#[test]
fn abandon_vs_a_queued_undo_gets_its_slot() {
    model(|| {
        let (order, scope, running) = (Order::new(), one_at_a_time(), Task::default());
        let (mut first, mut second) = (setup(&scope), setup(&scope));
        let handles = [first.handle(), second.handle()];
        first
            .on_close_spawn("first", running.keep(), order.slow(1))
            .unwrap();
        second.on_close(order.undo(3)).unwrap();
        second
            .on_close_spawn("second", block_on, pending::<()>)
            .unwrap();
        drop((first, second));
        let task = running.take().unwrap();
        // Else this thread, which begins the undo, would wait for it.
        let abandoning = spawn({
            let handle = handles[1].clone();
            move || handle.abandon_undos()
        });
        block_on(task);
        abandoning.join().unwrap();
        assert_eq!(settled(&handles[0]).abandoned.len(), 0);
        assert_eq!(settled(&handles[1]).abandoned, ["second"]);

        let mut third = setup(&scope);
        let handle = third.handle();
        third
            .on_close_spawn("third", block_on, order.slow(4))
            .unwrap();
        drop(third);
        assert_eq!(settled(&handle).undos_run, 1);
        // The synchronous undo of the second needs no slot, and may have run at any time.
        let ended = order.ended();
        assert_eq!(ended.len(), 3);
        assert_eq!(ended.iter().filter(|n| **n == 4).count(), 1);
    });
}

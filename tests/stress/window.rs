//! R26: a connection is closed between two statements of its set-up, by a successor that then
//! runs. An undo that comes later would hit it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use futures::executor::block_on;
use hangup::{Conflict, Error, Live, Registry, Scope};

use crate::{alone, rounds};

const THREADS: usize = 4;

/// It knows the worker by its name alone, as many do.
#[derive(Default)]
struct Router {
    running: AtomicBool,
    resumed: AtomicUsize,
    paused: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    /// The undo in a statement of its own, before the step.
    UndoFirst,
    /// The step hands out a guard, which a statement of its own keeps.
    GuardLater,
    /// The step hands out a guard and keeps it, in one call.
    Guard,
    /// The step and the undo in one call.
    OneCall,
}

/// Its drop pauses.
struct Running(Arc<Router>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.pause();
    }
}

impl Router {
    fn resume(&self) {
        self.resumed.fetch_add(1, SeqCst);
        self.running.store(true, SeqCst);
    }

    fn pause(&self) {
        self.running.store(false, SeqCst);
        self.paused.fetch_add(1, SeqCst);
    }
}

fn set_up(
    order: Order,
    scope: &Scope,
    workers: &Registry<u8, ()>,
    router: &Arc<Router>,
) -> Result<Live, Error> {
    let pause = {
        let router = Arc::clone(router);
        move || router.pause()
    };
    let resume = async { router.resume() };
    let guarded = async {
        router.resume();
        Running(Arc::clone(router))
    };
    let mut setup = scope.open()?.register()?;
    block_on(setup.take_over(workers, 0, ()))?;
    match order {
        Order::UndoFirst => {
            setup.on_close(pause)?;
            block_on(setup.run(resume))?;
        }
        Order::GuardLater => {
            let guard = block_on(setup.run(guarded))?;
            setup.hold(guard)?;
        }
        Order::Guard => block_on(setup.run(guarded).hold(|guard| (guard, ())))?,
        Order::OneCall => block_on(setup.run(resume).undo(pause))?,
    }
    Ok(setup.go_live()?)
}

#[test]
fn r26_closed_between_two_statements_of_the_set_up() {
    let _alone = alone();
    let each = rounds(20_000, 2_000_000) / THREADS;
    for order in [
        Order::UndoFirst,
        Order::GuardLater,
        Order::Guard,
        Order::OneCall,
    ] {
        let (scope, workers) = (Scope::new(), Registry::new(Conflict::Replace));
        let router = Arc::new(Router::default());
        let (lived, hit) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    for _ in 0..each {
                        let Ok(live) = set_up(order, &scope, &workers, &router) else {
                            continue;
                        };
                        lived.fetch_add(1, SeqCst);
                        // In this order: a close comes before the undo.
                        let running = router.running.load(SeqCst);
                        if !running && live.handle().state().is_live() {
                            hit.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
        });
        println!(
            "{order:?}: {} of {} were live",
            lived.load(SeqCst),
            each * THREADS
        );
        assert_eq!(hit.load(SeqCst), 0, "{order:?}: an undo hit a successor");
        assert!(scope.handles().is_empty());
        assert!(!router.running.load(SeqCst));
        let (resumed, paused) = (router.resumed.load(SeqCst), router.paused.load(SeqCst));
        // An undo comes first, so there may be more of them.
        assert!(
            paused >= resumed,
            "{order:?}: {paused} undos of {resumed} steps"
        );
    }
}

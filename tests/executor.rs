//! The core needs no runtime: a stream and a set-up on `futures::executor`, with
//! no tokio anywhere.

use futures::executor::{LocalPool, ThreadPool, block_on};
use futures::task::{LocalSpawnExt, SpawnExt};
use futures::{StreamExt, channel::mpsc};
use hangup::{CloseReason, Conflict, Registry, Scope};

#[test]
fn a_stream_runs_and_ends_on_a_single_thread() {
    let mut pool = LocalPool::new();
    let live = Scope::new()
        .open()
        .unwrap()
        .register()
        .unwrap()
        .go_live()
        .unwrap();
    let handle = live.handle();
    let (mut items, source) = mpsc::channel(1);
    let received = pool
        .spawner()
        .spawn_local_with_handle(
            live.stream(source)
                .farewell(|_| Some(0))
                .collect::<Vec<_>>(),
        )
        .unwrap();
    items.try_send(1).unwrap();
    pool.run_until_stalled();
    handle.close(CloseReason::Shutdown).unwrap();
    assert_eq!(pool.run_until(received), [1, 0]);
    assert!(items.is_closed());
}

#[test]
fn a_set_up_and_its_take_over_run_on_a_thread_pool() {
    let pool = ThreadPool::builder().pool_size(2).create().unwrap();
    let scope = Scope::new();
    let workers = Registry::new(Conflict::Replace);
    let open = |value: u32| {
        let (scope, workers) = (scope.clone(), workers.clone());
        async move {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.take_over(&workers, "ada", value).await?;
            setup.run(async {}).await?;
            Ok::<_, hangup::KeyError>(setup.go_live()?)
        }
    };
    let old = block_on(pool.spawn_with_handle(open(1)).unwrap()).unwrap();
    let body = pool
        .spawn_with_handle(
            old.stream(futures::stream::pending::<u8>())
                .collect::<Vec<_>>(),
        )
        .unwrap();
    let new = block_on(pool.spawn_with_handle(open(2)).unwrap()).unwrap();
    assert!(block_on(body).is_empty());
    assert_eq!(*workers.get("ada").unwrap(), 2);
    let settled = new.handle().settled();
    drop(new);
    assert_eq!(block_on(settled).closed.reason, CloseReason::Dropped);
    assert_eq!(scope.stats().open(), 0);
}

//! The adapter: what is not a race by a name.

use std::collections::BTreeSet;
use std::future::{IntoFuture, pending, ready};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use hangup::{CloseReason, Deadlines, Live, OpenError, Scope};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::{assert_pending, assert_ready_eq, task};

use crate::support::log::Log;
use crate::support::{live, registering};

const PERIOD: Duration = Duration::from_secs(30);

fn open(scope: &Scope) -> Live {
    scope.open().unwrap().register().unwrap().go_live().unwrap()
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_when_nothing_was_sent_for_the_period() {
    let (items, source) = tokio::sync::mpsc::unbounded_channel();
    let source = tokio_stream::wrappers::UnboundedReceiverStream::new(source);
    let body = live().stream(source).heartbeat(PERIOD, || '.').unwrap();
    let received = tokio::spawn(async move {
        let begun = Instant::now();
        body.map(|item| (begun.elapsed().as_secs(), item))
            .collect::<Vec<_>>()
            .await
    });
    for (pause, item) in [(20, 'a'), (20, 'b'), (35, 'c'), (0, 'd'), (95, 'e')] {
        sleep(Duration::from_secs(pause)).await;
        items.send(item).unwrap();
    }
    drop(items);
    // After an item, a heartbeat comes when half of the period to all of it has passed;
    // after a heartbeat, when all of it has.
    let expected = [
        (20, 'a'),
        (40, 'b'),
        (60, '.'),
        (75, 'c'),
        (75, 'd'),
        (90, '.'),
        (120, '.'),
        (150, '.'),
        (170, 'e'),
    ];
    assert_eq!(received.await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_nobody_polled_for_is_not_made_up_for() {
    let mut body = task::spawn(
        live()
            .stream(stream::pending())
            .heartbeat(PERIOD, || 1)
            .unwrap(),
    );
    assert_pending!(body.poll_next());
    advance(PERIOD * 10).await;
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_pending!(body.poll_next());
    advance(PERIOD).await;
    assert_ready_eq!(body.poll_next(), Some(1));
}

#[tokio::test]
async fn heartbeats_come_on_top_of_what_the_source_says_of_its_length() {
    let mut said = None;
    let body = live()
        .stream(stream::iter([1, 2, 3]))
        .heartbeat(PERIOD, || 0)
        .unwrap()
        .map_inner(|source| {
            said = Some(source.size_hint());
            source
        });
    assert_eq!((said, body.size_hint()), (Some((3, None)), (0, None)));
}

#[tokio::test(start_paused = true)]
async fn periods_of_nothing_and_of_for_ever_are_taken() {
    let mut body = task::spawn(
        live()
            .stream(stream::pending())
            .heartbeat(Duration::ZERO, || 1)
            .unwrap(),
    );
    assert_pending!(body.poll_next());
    advance(Duration::from_millis(1)).await;
    assert_ready_eq!(body.poll_next(), Some(1));
    assert_pending!(body.poll_next());
    let mut body = task::spawn(
        live()
            .stream(stream::iter([2]))
            .heartbeat(Duration::MAX, || 1)
            .unwrap(),
    );
    assert_ready_eq!(body.poll_next(), Some(2));
    assert_ready_eq!(body.poll_next(), None);
}

/// It is told to come back: not before, and soon after.
#[tokio::test(start_paused = true)]
async fn a_scope_keeps_its_deadlines_by_itself() {
    let deadlines = Deadlines::new().setup(PERIOD).max_age(PERIOD * 3);
    let scope = Scope::builder()
        .deadlines(deadlines.idle(PERIOD * 2))
        .sweep_every(Duration::from_millis(100))
        .build();
    let begun = Instant::now();
    let setup = scope.open().unwrap().register().unwrap();
    let (idle, busy) = (open(&scope), open(&scope));
    let toucher = busy.handle();
    let touching = async {
        loop {
            sleep(PERIOD).await;
            toucher.touch();
        }
    };
    let ends = async {
        for (handle, reason, after) in [
            (setup.handle(), CloseReason::Expired, PERIOD),
            (idle.handle(), CloseReason::Idle, PERIOD * 2),
            (busy.handle(), CloseReason::Expired, PERIOD * 3),
        ] {
            assert_eq!(handle.closed().await.reason, reason);
            let late = begun.elapsed().checked_sub(after).expect("not early");
            assert!(late <= Duration::from_millis(300), "{late:?}");
        }
    };
    tokio::select! {
        () = ends => {}
        () = touching => unreachable!("it goes on"),
    }
    // The task that sweeps goes when nobody needs it.
    drop((scope, setup, idle, busy, toucher));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[test]
fn a_scope_with_deadlines_may_be_built_outside_a_runtime_and_be_given_one() {
    let deadlines = Deadlines::new().setup(Duration::from_millis(1));

    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let swept = Scope::builder()
        .deadlines(deadlines)
        .sweep_every(Duration::from_millis(1))
        .runtime(runtime.handle().clone())
        .build();
    let pending = swept.open().unwrap();
    let closed = runtime.block_on(pending.handle().closed());
    assert_eq!(closed.reason, CloseReason::Expired);
}

/// No runtime was there when it was registered, nor is there one now.
#[test]
fn an_asynchronous_undo_without_a_runtime_is_reported_and_panics_nowhere() {
    let log = Log::default();
    let mut setup = registering();
    setup.on_close(log.adds("older undone")).unwrap();
    setup.on_close_async("pause ada", || async {}).unwrap();
    let handle = setup.handle();
    drop(setup);
    assert_eq!(handle.try_settled().unwrap().abandoned, ["pause ada"]);
    assert_eq!(log.entries(), ["older undone"]);
}

/// There is one where it is closed, or there was one where it was registered, or the
/// scope has one.
#[test]
fn an_asynchronous_undo_runs_on_the_runtime_that_there_is() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let register = |scope: Scope| {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup
            .on_close_async("undo", || async { sleep(Duration::from_millis(1)).await })
            .unwrap();
        setup
    };
    let given = Scope::builder().runtime(runtime.handle().clone()).build();
    let cases = [
        register(given),
        register(Scope::new()),
        runtime.block_on(async { register(Scope::new()) }),
    ];
    for (case, setup) in cases.into_iter().enumerate() {
        let handle = setup.handle();
        if case == 1 {
            runtime.block_on(async { drop(setup) });
        } else {
            drop(setup);
        }
        let settled = runtime.block_on(handle.settled());
        assert_eq!(
            (settled.undos_run, settled.abandoned.len()),
            (1, 0),
            "{case}"
        );
    }
}

#[tokio::test]
async fn a_panic_in_an_asynchronous_undo_is_reported_as_one() {
    let mut setup = registering();
    setup
        .on_close_async("undo", || async { panic!("on the way") })
        .unwrap();
    let handle = setup.handle();
    drop(setup);
    let settled = handle.settled().await;
    assert_eq!(settled.panics, ["on the way"]);
    assert!(settled.abandoned.is_empty());
}

/// When each of them is closed, by a drain that is spread.
async fn times_of_a_spread_drain(connections: usize, spread: Duration) -> Vec<Duration> {
    let scope = Scope::new();
    let lives: Vec<_> = (0..connections).map(|_| open(&scope)).collect();
    let begun = Instant::now();
    let ends = lives.iter().map(|live| {
        let handle = live.handle();
        tokio::spawn(async move {
            assert_eq!(handle.closed().await.reason, CloseReason::Shutdown);
            begun.elapsed()
        })
    });
    let ends: Vec<_> = ends.collect();
    tokio::task::yield_now().await;
    let drain = scope.drain(spread * 2).spread(spread);
    let report = drain.await.unwrap();
    assert_eq!((report.closed, report.forced), (connections, 0));
    assert!(begun.elapsed() <= spread + Duration::from_millis(1));
    let mut times = Vec::new();
    for end in ends {
        times.push(end.await.unwrap());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_one_after_the_other_spread_over_its_time() {
    const SLOT: Duration = Duration::from_millis(100);
    let times = times_of_a_spread_drain(96, SLOT * 95).await;
    assert!(times[0] <= Duration::from_millis(1));
    // The oldest first, and each somewhere in its own slot.
    for (number, time) in (0..).zip(&times[1..]) {
        let slot = SLOT * number..=SLOT * (number + 1);
        // A timer counts whole milliseconds.
        let before = time.saturating_sub(Duration::from_millis(1));
        assert!(
            slot.contains(time) || slot.contains(&before),
            "{number}: {time:?}"
        );
    }
    // Where in its slot is left to chance.
    let offsets = times[1..].iter().map(|time| time.subsec_millis() % 100);
    assert!(offsets.collect::<BTreeSet<_>>().len() > 10);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_spread_evenly_whatever_the_number() {
    const SECONDS: usize = 10;
    for connections in [1, 2, 100, 1_000, 1_500, 30_000] {
        let spread = Duration::from_secs(SECONDS as u64);
        let mut per_second = [0; SECONDS];
        for time in times_of_a_spread_drain(connections, spread).await {
            per_second[(time.as_secs() as usize).min(SECONDS - 1)] += 1;
        }
        println!("{connections}: {per_second:?}");
        let even = connections / SECONDS;
        // One batch may fall on either side of the second.
        let batch = connections.div_ceil(SECONDS * 100);
        let about = even.saturating_sub(2 * batch)..=even + 2 * batch;
        assert!(
            per_second.iter().all(|count| about.contains(count)),
            "{connections}: {per_second:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_a_few_is_over_at_once_and_closes_the_gate() {
    let scope = Scope::new();
    let lives: Vec<_> = (0..256).map(|_| open(&scope)).collect();
    let begun = Instant::now();
    let report = scope.drain(PERIOD).await.unwrap();
    assert_eq!((report.closed, begun.elapsed()), (256, Duration::ZERO));
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    drop(lives);
    let again = scope.drain(Duration::ZERO).await.unwrap();
    assert_eq!(again, hangup::report::DrainReport::default());
}

/// Else it would be the deadline that closes them.
#[tokio::test(start_paused = true)]
async fn a_drain_of_many_batches_tells_all_within_half_of_its_deadline() {
    let scope = Scope::new();
    let lives: Vec<_> = (0..95).map(|_| open(&scope)).collect();
    let begun = Instant::now();
    let report = scope
        .drain(Duration::from_secs(4))
        .batch_size(1)
        .await
        .unwrap();
    assert_eq!((report.closed, report.forced), (95, 0));
    let half = Duration::from_millis(1_500)..=Duration::from_millis(2_100);
    assert!(half.contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop(lives);
}

/// A deadline of zero forces at once; whoever has no batch yet is closed too.
#[tokio::test(start_paused = true)]
async fn a_drain_at_its_deadline_closes_those_too_whose_turn_has_not_come() {
    let scope = Scope::new();
    let lives: Vec<_> = (0..10).map(|_| open(&scope)).collect();
    let report = scope
        .drain(PERIOD)
        .batch_size(0)
        .spread(Duration::MAX)
        .await
        .unwrap();
    assert_eq!(report.closed + report.forced, 10);
    assert!(report.forced >= 8, "{report:?}");
    assert_eq!(report.unsettled, []);
    drop(lives);
}

/// Whoever gives up on the drain has begun it all the same, and can begin it again.
#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_can_be_repeated() {
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("slow", || sleep(PERIOD)).unwrap();
    let setup = setup.go_live().unwrap();
    let gave_up = timeout(PERIOD / 2, scope.drain(PERIOD * 2)).await;
    assert!(gave_up.is_err());
    assert!(setup.handle().state().is_closed());
    assert!(setup.handle().try_settled().is_none());
    let report = scope.drain(PERIOD).await.unwrap();
    assert_eq!((report.closed, report.abandoned), (1, vec![]));
}

#[tokio::test]
async fn a_scope_closes_when_its_signal_fires_and_admits_nobody_after() {
    let (scope, (fire, fired)) = (Scope::new(), oneshot::channel::<()>());
    scope.abort_on(fired).unwrap();
    let live = open(&scope);
    fire.send(()).unwrap();
    let closed = live.handle().closed().await;
    assert_eq!(closed.reason, CloseReason::Aborted);
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    drop(live);

    // As if it fired now.
    let (scope, log) = (Scope::new(), Log::default());
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close(log.adds("undone")).unwrap();
    let live = setup.go_live().unwrap();
    scope.abort_on(ready(())).unwrap();
    assert_eq!(log.entries(), ["undone"]);

    drop(live);

    // A scope that has ended does not wait for its signal.
    let (scope, (_never, fired)) = (Scope::new(), oneshot::channel::<()>());
    scope.abort_on(fired).unwrap();
    scope.begin_drain();
    while Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_task_of_a_connection_may_end_by_itself() {
    let live = live();
    assert_eq!(live.spawn(async { 7 }).await, Ok(7));
    let log = Log::default();
    let held = log.on_drop("aborted");
    let aborted = live.spawn(async move {
        let _held = held;
        pending::<()>().await;
    });
    tokio::task::yield_now().await;
    aborted.abort();
    tokio::task::yield_now().await;
    assert_eq!(log.entries(), ["aborted"]);
    assert!(live.handle().state().is_live());
    let handle = live.handle();
    drop(live);
    assert!(handle.try_settled().is_some());
}

/// One task of a task panics, and the connection fails with it.
#[tokio::test]
async fn a_task_of_a_connection_that_panics_fails_it() {
    let live = live();
    let panicked = live.spawn(async { panic!("at work") });
    assert_eq!(live.handle().closed().await.reason, CloseReason::Failed);
    assert_eq!(panicked.await.unwrap_err().reason, CloseReason::Failed);
}

#[cfg(feature = "tokio-util")]
#[tokio::test]
async fn a_connection_has_one_token_and_it_is_cancelled_before_the_undo() {
    use tokio_test::assert_ready;

    let mut setup = registering();
    let handle = setup.handle();
    let token = handle.token();
    let seen = token.clone();
    setup
        .on_close(move || assert!(seen.is_cancelled()))
        .unwrap();
    let setup = setup.go_live().unwrap();
    let mut cancelled = task::spawn(token.clone().cancelled_owned());
    assert_pending!(cancelled.poll());
    handle.close(CloseReason::Idle).unwrap();
    assert_ready!(cancelled.poll());
    assert!(handle.try_settled().unwrap().panics.is_empty());
    // The same one, and one that has been cancelled already.
    assert!(handle.token().is_cancelled());

    drop(setup);

    // To cancel it is not to close the connection.
    let live = live();
    live.handle().token().cancel();
    assert!(live.handle().token().is_cancelled());
    assert!(live.handle().state().is_live());
}

/// Two scopes on the runtime of one, and a period of nothing.
#[tokio::test(start_paused = true)]
async fn a_runtime_can_be_shared_and_sweeps_as_often_as_it_can() {
    let deadlines = Deadlines::new().setup(PERIOD);
    let first = Scope::builder()
        .deadlines(deadlines)
        .runtime(Handle::current())
        .build();
    let second = Scope::builder()
        .deadlines(deadlines)
        .runtime(std::sync::Arc::clone(first.runtime().unwrap()))
        .sweep_every(Duration::ZERO)
        .build();
    let begun = Instant::now();
    let pending = second.open().unwrap();
    assert_eq!(pending.handle().closed().await.reason, CloseReason::Expired);
    let late = begun.elapsed().checked_sub(PERIOD).expect("not early");
    assert!(late <= Duration::from_millis(5), "{late:?}");
}

/// It had overrun its own deadline long before that of the drain.
#[tokio::test(start_paused = true)]
async fn a_drain_names_the_undo_that_overran_its_own_deadline() {
    let deadlines = Deadlines::new().undo(PERIOD / 10);
    let scope = Scope::builder().deadlines(deadlines).build();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.on_close_async("hang", pending::<()>).unwrap();
    let setup = setup.go_live().unwrap();
    let report = scope.drain(PERIOD).await.unwrap();
    assert_eq!((report.closed, report.forced), (1, 0));
    assert_eq!(report.abandoned.len(), 1);
    assert_eq!(
        (report.abandoned[0].id, &report.abandoned[0].undo[..]),
        (setup.id(), "hang")
    );
}

/// Those whose turn has not come stay open; nobody new comes in.
#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_between_two_batches_leaves_the_rest_open() {
    let scope = Scope::new();
    let lives: Vec<_> = (0..10).map(|_| open(&scope)).collect();
    let drain = scope.drain(PERIOD * 1000).spread(PERIOD * 100);
    // The second one comes somewhere in its slot, a ninth of the time.
    assert!(timeout(Duration::ZERO, drain.into_future()).await.is_err());
    assert_eq!(scope.stats().live, 9);
    assert_eq!(scope.open().unwrap_err(), OpenError::Draining);
    assert!(lives[0].handle().state().is_closed() && lives[9].handle().state().is_live());
    assert_eq!(scope.drain(PERIOD).await.unwrap().closed, 9);
}

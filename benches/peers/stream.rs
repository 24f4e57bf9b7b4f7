//! What a stream costs more for being one that can be ended.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::stream::{self, Stream, StreamExt};
use hangup::{LiveStream, Scope};
use stream_cancel::Valved;
use tokio_util::sync::CancellationToken;

use crate::contest::{Contest, Run, Side};

/// What is polled of each connection.
const POLLS: u64 = 1000;

/// Connections that are made ready at once and polled one after the other: enough for the
/// clock to count for nothing, few enough for all of them to be in the cache.
const BATCH: u64 = 16;

pub(crate) fn contests() -> Vec<Contest> {
    vec![ready(), pending()]
}

fn ready() -> Contest {
    // None of them ends: the end of a stream closes its connection, which is another measure.
    let items = || stream::iter(black_box(0..u64::MAX));
    let side = |name, run| Side::new(name, run).of(POLLS);
    Contest::new(
        "1000 ready items",
        side("hangup", polls(ready_once, move || ours(items()))),
    )
    .against(
        "ready_vs_bare",
        side("bare", polls(ready_once, move || ((), items()))),
    )
    .against(
        "ready_vs_abortable",
        side("Abortable", polls(ready_once, move || abortable(items()))),
    )
    .against(
        "ready_vs_take_until",
        side("take_until", polls(ready_once, move || take_until(items()))),
    )
    .against(
        "ready_vs_stream_cancel",
        side(
            "stream-cancel",
            polls(ready_once, move || Valved::new(items())),
        ),
    )
}

fn pending() -> Contest {
    let side = |name, run| Side::new(name, run).of(POLLS);
    Contest::new(
        "1000 pending polls",
        side("hangup", polls(pending_once, || ours(stream::pending()))),
    )
    .against(
        "pending_vs_bare",
        side("bare", polls(pending_once, || ((), stream::pending()))),
    )
    .against(
        "pending_vs_abortable",
        side(
            "Abortable",
            polls(pending_once, || abortable(stream::pending())),
        ),
    )
    .against(
        "pending_vs_take_until",
        side(
            "take_until",
            polls(pending_once, || take_until(stream::pending())),
        ),
    )
    .against(
        "pending_vs_stream_cancel",
        side(
            "stream-cancel",
            polls(pending_once, || Valved::new(stream::pending())),
        ),
    )
}

// Each with what ends it, which whoever may end it keeps.

fn ours<S: Stream>(source: S) -> (hangup::Handle, LiveStream<S>) {
    let live = Scope::new()
        .open()
        .unwrap()
        .register()
        .unwrap()
        .go_live()
        .unwrap();
    (live.handle(), live.stream(source))
}

fn abortable<S: Stream>(source: S) -> (stream::AbortHandle, stream::Abortable<S>) {
    let (stream, handle) = stream::abortable(source);
    (handle, stream)
}

fn take_until<S: Stream>(source: S) -> (CancellationToken, impl Stream<Item = S::Item>) {
    let token = CancellationToken::new();
    (token.clone(), source.take_until(token.cancelled_owned()))
}

/// Polls each connection so often, with the same waker.
fn polls<E, S>(
    once: impl Fn(Pin<&mut S>, &mut Context<'_>) + 'static,
    mut make: impl FnMut() -> (E, S) + 'static,
) -> Run
where
    S: Stream<Item = u64> + 'static,
{
    let waker = Waker::from(Arc::new(Task));
    Box::new(move |times| {
        let mut cx = Context::from_waker(&waker);
        let mut took = Duration::ZERO;
        for first in (0..times).step_by(BATCH as usize) {
            let batch = BATCH.min(times - first);
            let connections = (0..batch).map(|_| {
                let (end, stream) = make();
                (end, Box::pin(stream))
            });
            let mut connections: Vec<_> = black_box(connections.collect());
            // A waker is registered once.
            for (_, stream) in &mut connections {
                once(stream.as_mut(), &mut cx);
            }
            let begun = Instant::now();
            for (_, stream) in &mut connections {
                for _ in 0..POLLS {
                    once(stream.as_mut(), &mut cx);
                }
            }
            took += begun.elapsed();
        }
        took
    })
}

fn ready_once<S: Stream<Item = u64>>(stream: Pin<&mut S>, cx: &mut Context<'_>) {
    match stream.poll_next(cx) {
        // Else a thousand of them could be counted instead of polled.
        Poll::Ready(Some(item)) => drop(black_box(item)),
        other => panic!("no item: {other:?}"),
    }
}

fn pending_once<S: Stream<Item = u64>>(stream: Pin<&mut S>, cx: &mut Context<'_>) {
    assert!(black_box(stream.poll_next(cx)).is_pending());
}

/// The task that polls, which is never run.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

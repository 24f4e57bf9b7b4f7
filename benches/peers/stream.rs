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

use crate::contest::Contest;
use crate::side::{Run, Side};

/// What is polled of each connection.
const POLLS: u64 = 1000;

/// Connections that are made ready at once and polled one after the other: enough for the
/// clock to count for nothing, few enough for all of them to be in the cache.
const BATCH: u64 = 16;

pub(crate) fn contests() -> Vec<Contest> {
    vec![ready(), ready_inlined(), pending()]
}

fn side(name: &'static str, run: Run) -> Side {
    Side::new(name, run).of(POLLS)
}

fn ready() -> Contest {
    Contest::new(
        "1000 ready items",
        side("hangup", ready_items(|| ours(items()))),
    )
    .against("ready_vs_bare", side("bare", ready_items(|| ((), items()))))
    .against(
        "ready_vs_abortable",
        side("Abortable", ready_items(|| abortable(items()))),
    )
    .against(
        "ready_vs_take_until",
        side("take_until", ready_items(|| take_until(items()))),
    )
    .against(
        "ready_vs_stream_cancel",
        side("stream-cancel", ready_items(|| Valved::new(items()))),
    )
}

fn ready_inlined() -> Contest {
    Contest::new(
        "1000 ready items, inlined",
        side("hangup", ready_items_inlined(|| ours(items()))),
    )
    .against(
        "ready_inlined_vs_bare",
        side("bare", ready_items_inlined(|| ((), items()))),
    )
    .against(
        "ready_inlined_vs_abortable",
        side("Abortable", ready_items_inlined(|| abortable(items()))),
    )
    .against(
        "ready_inlined_vs_take_until",
        side("take_until", ready_items_inlined(|| take_until(items()))),
    )
}

fn pending() -> Contest {
    Contest::new(
        "1000 pending polls",
        side("hangup", pending_polls(|| ours(stream::pending()))),
    )
    .against(
        "pending_vs_bare",
        side("bare", pending_polls(|| ((), stream::pending()))),
    )
    .against(
        "pending_vs_abortable",
        side("Abortable", pending_polls(|| abortable(stream::pending()))),
    )
    .against(
        "pending_vs_take_until",
        side(
            "take_until",
            pending_polls(|| take_until(stream::pending())),
        ),
    )
    .against(
        "pending_vs_stream_cancel",
        side(
            "stream-cancel",
            pending_polls(|| Valved::new(stream::pending())),
        ),
    )
}

/// They do not come to an end, which closes a connection: that is another measure.
fn items() -> impl Stream<Item = u64> {
    stream::iter(black_box(0..u64::MAX))
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

/// A stream behind a pointer and without its type, as a server has it, whatever a handler
/// returned.
type Erased = dyn Stream<Item = u64>;

fn ready_items<E, S>(make: fn() -> (E, S)) -> Run
where
    E: 'static,
    S: Stream<Item = u64> + 'static,
{
    timed(make, erased, ready_once::<Erased>)
}

/// In a loop that the compiler knows the type in.
fn ready_items_inlined<E, S>(make: fn() -> (E, S)) -> Run
where
    E: 'static,
    S: Stream<Item = u64> + 'static,
{
    timed(make, Box::pin, |stream, cx| ready_once(stream, cx))
}

fn pending_polls<E, S>(make: fn() -> (E, S)) -> Run
where
    E: 'static,
    S: Stream<Item = u64> + 'static,
{
    timed(make, erased, pending_once::<Erased>)
}

fn erased<S: Stream<Item = u64> + 'static>(stream: S) -> Pin<Box<Erased>> {
    Box::pin(stream)
}

/// Polls each connection so often, with the same waker.
fn timed<E, S, D>(
    make: fn() -> (E, S),
    boxed: fn(S) -> Pin<Box<D>>,
    once: impl Fn(Pin<&mut D>, &mut Context<'_>) + 'static,
) -> Run
where
    E: 'static,
    S: 'static,
    D: Stream<Item = u64> + ?Sized + 'static,
{
    let waker = Waker::from(Arc::new(Task));
    Box::new(move |times| {
        let mut cx = Context::from_waker(&waker);
        let mut took = Duration::ZERO;
        for first in (0..times).step_by(BATCH as usize) {
            let batch = BATCH.min(times - first);
            let connections = (0..batch).map(|_| {
                let (end, stream) = make();
                (end, boxed(stream))
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

fn ready_once<S: Stream<Item = u64> + ?Sized>(stream: Pin<&mut S>, cx: &mut Context<'_>) {
    match stream.poll_next(cx) {
        // Else a thousand of them could be counted instead of polled.
        Poll::Ready(Some(item)) => drop(black_box(item)),
        other => panic!("no item: {other:?}"),
    }
}

fn pending_once<S: Stream<Item = u64> + ?Sized>(stream: Pin<&mut S>, cx: &mut Context<'_>) {
    assert!(black_box(stream.poll_next(cx)).is_pending());
}

/// The task that polls, which is never run.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

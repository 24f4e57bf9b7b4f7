//! The source wakes a reader that is watched, through its lifecycle.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;
use hangup::{CloseReason, Deadlines, Live, Scope};
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread::spawn;

use crate::model::{Count, Signal, Woken, date, model, model_3, poll_once, settled};

const LIMIT: Duration = Duration::from_secs(10);

/// A channel as it should be.
#[derive(Clone)]
struct Channel(Arc<Mutex<(u32, Option<Waker>)>>);

impl Channel {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((0, None))))
    }

    fn send(&self) {
        let mut channel = self.0.lock().unwrap();
        channel.0 += 1;
        let waker = channel.1.take();
        drop(channel);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Stream for Channel {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let mut channel = self.0.lock().unwrap();
        if channel.0 > 0 {
            channel.0 -= 1;
            return Poll::Ready(Some(()));
        }
        channel.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

fn watched() -> (Scope, Live, Count) {
    let scope = Scope::builder()
        .deadlines(Deadlines::new().stall(LIMIT))
        .swept_by_hand()
        .build();
    let undone = Count::default();
    let mut setup = scope.open().unwrap().register().unwrap();
    let count = undone.clone();
    setup.on_close(move || count.add()).unwrap();
    (scope, setup.go_live().unwrap(), undone)
}

/// R22: no wake-up by the source is lost.
#[test]
fn r22_source_wakes_vs_reader_parks() {
    model(|| {
        let (_scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let sender = spawn(move || channel.send());
        assert_eq!(block_on(next(&mut stream)), Some(()));
        sender.join().unwrap();
    });
}

/// R22: nor is the next one, when the first has been.
#[test]
fn r22_source_wakes_twice_vs_reader_parks() {
    model(|| {
        let (_scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let sender = spawn(move || {
            channel.send();
            channel.send();
        });
        // By one waker, which it leaves with its lifecycle once.
        block_on(async {
            assert_eq!(next(&mut stream).await, Some(()));
            assert_eq!(next(&mut stream).await, Some(()));
        });
        sender.join().unwrap();
    });
}

/// R22: the reader moves to another task while the source wakes it.
#[test]
fn r22_source_wakes_vs_reader_with_a_new_waker() {
    model(|| {
        let (_scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        assert!(poll_once(pin!(next(&mut stream)), Waker::noop()).is_pending());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let sender = spawn(move || channel.send());
        let polled = poll_once(pin!(next(&mut stream)), &waker);
        sender.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "lost wake-up");
            let polled = poll_once(pin!(next(&mut stream)), &waker);
            assert_eq!(polled, Poll::Ready(Some(())));
        }
    });
}

/// R22: a close ends a stream whose reader is watched and whose source is silent.
#[test]
fn r22_close_vs_watched_stream() {
    model(|| {
        let (_scope, live, undone) = watched();
        let handle = live.handle();
        let mut stream = live.stream(Channel::new());
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        assert_eq!(block_on(next(&mut stream)), None);
        closer.join().unwrap();
        assert_eq!(undone.get(), 1);
    });
}

/// R22: and one whose source wakes it at the same time.
#[test]
fn r22_close_vs_source_wakes_vs_reader_parks_3() {
    model_3(3, || {
        let (_scope, live, undone) = watched();
        let handle = live.handle();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let sender = spawn(move || channel.send());
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        block_on(async { while next(&mut stream).await.is_some() {} });
        sender.join().unwrap();
        closer.join().unwrap();
        assert_eq!(undone.get(), 1);
    });
}

/// R22: by hand: whoever comes, the source or the close, the waker is woken.
#[test]
fn r22_close_vs_source_wakes_a_sleeping_reader() {
    model(|| {
        let (_scope, live, _) = watched();
        let handle = live.handle();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(poll_once(pin!(next(&mut stream)), &waker).is_pending());
        let sender = spawn(move || channel.send());
        handle.close(CloseReason::Idle).unwrap();
        assert!(woken.count() >= 1, "lost wake-up");
        sender.join().unwrap();
        assert_eq!(
            poll_once(pin!(next(&mut stream)), &waker),
            Poll::Ready(None)
        );
        drop((stream, waker));
        assert_eq!(Arc::strong_count(&woken), 1, "a waker is left behind");
    });
}

/// R22: the source has woken the reader by the waker that it left with its lifecycle, which is there
/// still when somebody closes.
#[test]
fn r22_close_vs_reader_that_was_woken() {
    model(|| {
        let (_scope, live, _) = watched();
        let handle = live.handle();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let woken = Arc::new(Woken::default());
        // By hand: the wakers of `block_on` do not know each other.
        let waker = Waker::from(Arc::clone(&woken));
        assert!(poll_once(pin!(next(&mut stream)), &waker).is_pending());
        channel.send();
        assert_eq!(woken.count(), 1);
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let mut polled = poll_once(pin!(next(&mut stream)), &waker);
        if polled == Poll::Ready(Some(())) {
            polled = poll_once(pin!(next(&mut stream)), &waker);
        }
        closer.join().unwrap();
        assert!(polled.is_ready() || woken.count() == 2, "lost wake-up");
    });
}

/// I4: nothing but the farewell after a close, also of a watched reader.
#[test]
fn i4_close_vs_watched_stream() {
    model(|| {
        let (_scope, live, _) = watched();
        let handle = live.handle();
        let returned = Signal::new();
        let channel = Channel::new();
        channel.send();
        channel.send();
        let mut stream = live.stream(channel);
        let closer = spawn({
            let returned = returned.clone();
            move || {
                handle.close(CloseReason::Idle).unwrap();
                returned.send();
            }
        });
        for _ in 0..2 {
            let silent = returned.is_sent();
            let polled = poll_once(pin!(next(&mut stream)), Waker::noop());
            assert!(
                !silent || polled == Poll::Ready(None),
                "an item after the close"
            );
        }
        closer.join().unwrap();
    });
}

/// Once there is something to come for, a reader that does not come is found stalled: no
/// note of it is lost, however the wake-up meets the reader's last poll.
#[test]
fn stalled_source_wakes_vs_the_last_poll() {
    model(|| {
        let (scope, live, undone) = watched();
        let handle = live.handle();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let sender = spawn(move || channel.send());
        // It gets the item, or it is woken for it; and comes no more.
        _ = poll_once(pin!(next(&mut stream)), Waker::noop());
        sender.join().unwrap();
        let now = Instant::now();
        date(&scope, now);
        assert_eq!(scope.sweep(now + LIMIT), 1, "never stalled");
        assert_eq!(settled(&handle).closed.reason, CloseReason::Stalled);
        assert_eq!(undone.get(), 1);
        drop(stream);
    });
}

/// The same while it is swept.
#[test]
fn stalled_source_wakes_vs_the_last_poll_vs_sweep_3() {
    model_3(3, || {
        let (scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let now = Instant::now();
        let sender = spawn(move || channel.send());
        let sweeper = spawn({
            let scope = scope.clone();
            move || scope.sweep(now)
        });
        _ = poll_once(pin!(next(&mut stream)), Waker::noop());
        sender.join().unwrap();
        assert_eq!(sweeper.join().unwrap(), 0);
        date(&scope, now);
        assert_eq!(scope.sweep(now + LIMIT), 1, "never stalled");
        drop(stream);
    });
}

/// Who knows that the reader has come does not find it stalled; and if there is nothing to
/// come for, nobody does later.
#[test]
fn stalled_sweep_vs_reader_comes() {
    model(|| {
        let (scope, live, _) = watched();
        let came = Signal::new();
        let mut stream = live.stream(Channel::new());
        let now = Instant::now();
        date(&scope, now);
        let reader = spawn({
            let came = came.clone();
            move || {
                let polled = poll_once(pin!(next(&mut stream)), Waker::noop());
                came.send();
                (polled, stream)
            }
        });
        let told = came.is_sent();
        let closed = scope.sweep(now + LIMIT);
        assert!(!told || closed == 0, "stalled though it came");
        let (_, stream) = reader.join().unwrap();
        for later in 2..4 {
            assert_eq!(scope.sweep(now + later * LIMIT), 0, "nothing to come for");
        }
        drop(stream);
    });
}

/// The first look, which dates it, while the reader comes.
#[test]
fn stalled_first_sweep_vs_reader_comes() {
    model(|| {
        let (scope, live, _) = watched();
        let mut stream = live.stream(Channel::new());
        let now = Instant::now();
        let sweeper = spawn({
            let scope = scope.clone();
            move || scope.sweep(now)
        });
        assert!(poll_once(pin!(next(&mut stream)), Waker::noop()).is_pending());
        assert_eq!(sweeper.join().unwrap(), 0);
        // Enough of them to date it, if it were left, and to find it overdue.
        for later in 1..4 {
            assert_eq!(scope.sweep(now + later * LIMIT), 0, "nothing to come for");
        }
        drop(stream);
    });
}

/// A reader that comes whenever it is woken is never stalled, however late the source wakes it
/// for what it has fetched already.
#[test]
fn stalled_source_wakes_vs_reader_that_comes() {
    model(|| {
        let (scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(poll_once(pin!(next(&mut stream)), &waker).is_pending());
        let sender = spawn(move || channel.send());
        // Of its own accord.
        let mut came = woken.count();
        while poll_once(pin!(next(&mut stream)), &waker).is_ready() {
            came = woken.count();
        }
        sender.join().unwrap();
        while woken.count() > came {
            came = woken.count();
            while poll_once(pin!(next(&mut stream)), &waker).is_ready() {}
        }
        let now = Instant::now();
        for later in 0..3 {
            assert_eq!(scope.sweep(now + later * LIMIT), 0, "it came");
        }
        drop(stream);
    });
}

/// What is wrapped is watched on.
#[test]
fn stalled_source_wakes_the_reader_of_what_wraps_it() {
    struct Wraps(Channel);
    impl Stream for Wraps {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
            Pin::new(&mut self.0).poll_next(cx)
        }
    }

    model(|| {
        let (scope, live, _) = watched();
        let channel = Channel::new();
        let mut stream = live.stream(channel.clone());
        assert!(poll_once(pin!(next(&mut stream)), Waker::noop()).is_pending());
        let mut stream = stream.map_inner(Wraps);
        let sender = spawn(move || channel.send());
        _ = poll_once(pin!(next(&mut stream)), Waker::noop());
        sender.join().unwrap();
        let now = Instant::now();
        date(&scope, now);
        assert_eq!(scope.sweep(now + LIMIT), 1, "never stalled");
        drop(stream);
    });
}

/// A source that wakes the reader again and again does not keep it from being found stalled.
#[test]
fn stalled_source_wakes_again_vs_sweep() {
    struct Restless(Arc<std::sync::Mutex<Option<Waker>>>);
    impl Stream for Restless {
        type Item = ();

        fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
            *self.0.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    model(|| {
        let (scope, live, _) = watched();
        let left = Arc::default();
        let mut stream = live.stream(Restless(Arc::clone(&left)));
        assert!(poll_once(pin!(next(&mut stream)), Waker::noop()).is_pending());
        let waker = left.lock().unwrap().take().unwrap();
        waker.wake_by_ref();
        let now = Instant::now();
        date(&scope, now);
        let source = spawn(move || waker.wake());
        assert_eq!(scope.sweep(now + LIMIT), 1, "never stalled");
        source.join().unwrap();
        drop(stream);
    });
}

/// I7: a reader that parks while it is closed leaves no waker with its lifecycle.
#[test]
fn i7_close_vs_reader_parks() {
    model(|| {
        let (_scope, live, _) = watched();
        let handle = live.handle();
        let woken = Arc::new(Woken::default());
        let mut stream = live.stream(Channel::new());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let waker = Waker::from(Arc::clone(&woken));
        _ = poll_once(pin!(next(&mut stream)), &waker);
        closer.join().unwrap();
        drop((stream, waker));
        assert_eq!(Arc::strong_count(&woken), 1, "a waker is left behind");
        drop(handle);
    });
}

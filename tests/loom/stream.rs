//! A close meets a stream, or a loop.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use hangup::CloseReason;
use loom::future::block_on;
use loom::thread::spawn;

use crate::model::{Signal, Woken, counted, model, poll_once, settled, setup};

/// Yields a few items, then is silent for ever. `u32::MAX`: never silent.
struct Source(u32);

impl Stream for Source {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        self.0 -= 1;
        Poll::Ready(Some(self.0))
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// R22: a close ends a stream whose source is silent; no wake-up is lost.
#[test]
fn r22_close_vs_quiet_stream() {
    model(|| {
        let (setup, undone) = counted();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let mut stream = live.stream(Source(1)).farewell(|end| {
            assert_eq!(end.reason(), CloseReason::Idle);
            Some(1000)
        });
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let mut items = Vec::new();
        block_on(async {
            while let Some(item) = next(&mut stream).await {
                items.push(item);
            }
        });
        assert!(matches!(*items, [0, 1000] | [1000]), "{items:?}");
        closer.join().unwrap();
        assert_eq!(undone.get(), 1);
    });
}

/// R22: the same by hand: after `Pending`, the waker is woken, also when it was in
/// its place from an earlier poll.
#[test]
fn r22_close_vs_stream_polled_by_hand() {
    model(|| {
        let live = setup().go_live().unwrap();
        let handle = live.handle();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut stream = live.stream(Source(0));

        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let mut polled = poll_once(pin!(next(&mut stream)), &waker);
        if polled.is_pending() {
            polled = poll_once(pin!(next(&mut stream)), &waker);
        }
        closer.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "lost wake-up");
            polled = poll_once(pin!(next(&mut stream)), &waker);
        }
        assert_eq!(polled, Poll::Ready(None));
    });
}

/// R22: the waker changed, and the old one's wake-up is worth nothing.
#[test]
fn r22_close_vs_stream_with_a_new_waker() {
    model(|| {
        let live = setup().go_live().unwrap();
        let handle = live.handle();
        let mut stream = live.stream(Source(0));
        assert!(poll_once(pin!(next(&mut stream)), Waker::noop()).is_pending());

        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let polled = poll_once(pin!(next(&mut stream)), &waker);
        closer.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "lost wake-up");
        }
    });
}

/// I4: who knows that a close has returned gets nothing but the farewell.
#[test]
fn i4_close_vs_ready_stream() {
    model(|| {
        let live = setup().go_live().unwrap();
        let handle = live.handle();
        let returned = Signal::new();
        let mut stream = live.stream(Source(u32::MAX)).farewell(|_| Some(0));
        let closer = spawn({
            let returned = returned.clone();
            move || {
                handle.close(CloseReason::Idle).unwrap();
                returned.send();
            }
        });
        for _ in 0..2 {
            let silent = returned.is_sent();
            let Poll::Ready(item) = poll_once(pin!(next(&mut stream)), Waker::noop()) else {
                panic!("never silent");
            };
            if silent {
                assert!(matches!(item, Some(0) | None), "an item after the close");
            }
        }
        closer.join().unwrap();
    });
}

/// R7, R22: the source ends while somebody closes: one reason, one undo.
#[test]
fn r7_close_vs_stream_completing() {
    struct Ends;
    impl Stream for Ends {
        type Item = u32;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            Poll::Ready(None)
        }
    }

    model(|| {
        let (setup, undone) = counted();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let told = Arc::new(Mutex::new(None));
        let mut stream = live.stream(Ends).farewell({
            let told = Arc::clone(&told);
            move |end| {
                *told.lock().unwrap() = Some(end.closed);
                None
            }
        });
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).is_ok()
        });
        assert_eq!(block_on(next(&mut stream)), None);
        let reason = match closer.join().unwrap() {
            true => CloseReason::Idle,
            false => CloseReason::Completed,
        };
        assert_eq!(settled(&handle).closed.reason, reason);
        // What has completed has said all.
        let told = told.lock().unwrap().map(|closed| closed.reason);
        assert_eq!(told, (reason == CloseReason::Idle).then_some(reason));
        assert_eq!(undone.get(), 1);
    });
}

/// R22: a close ends a loop of one's own.
#[test]
fn r22_close_vs_live_run() {
    model(|| {
        let (setup, undone) = counted();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let closer = spawn(move || handle.close(CloseReason::Idle).unwrap());
        let closed = block_on(live.run(pending::<()>())).unwrap_err();
        assert_eq!(closed.reason(), CloseReason::Idle);
        closer.join().unwrap();
        drop(closed);
        assert_eq!(undone.get(), 1);
    });
}

/// I2: a close meets a stream that goes from one owner to the next, and then goes. One of the
/// two closes, and the undo runs once.
#[test]
fn i2_close_vs_hand_over() {
    model(|| {
        let (setup, undone) = counted();
        let live = setup.go_live().unwrap();
        let handle = live.handle();
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).is_ok()
        });
        let stream = live.stream(Source(0)).map_inner(|source| source);
        drop(stream);
        let reason = match closer.join().unwrap() {
            true => CloseReason::Idle,
            false => CloseReason::Dropped,
        };
        assert_eq!(settled(&handle).closed.reason, reason);
        assert_eq!(undone.get(), 1);
    });
}

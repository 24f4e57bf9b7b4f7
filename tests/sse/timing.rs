//! When heartbeats come, and what they leave alone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::time::{Instant, advance};
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready};

use crate::{PERIOD, heartbeat};

type Sender = UnboundedSender<Result<Frame<Bytes>, Infallible>>;

fn channel(period: Duration) -> (Sender, impl Body<Data = Bytes, Error = Infallible>) {
    let (sender, receiver) = unbounded();
    (sender, heartbeat(StreamBody::new(receiver), period))
}

fn send(sender: &Sender, data: &'static str) {
    let frame = Frame::data(Bytes::from_static(data.as_bytes()));
    sender.unbounded_send(Ok(frame)).unwrap();
}

macro_rules! assert_data {
    ($body:expr, $data:expr) => {
        let frame = assert_ready!($body.enter(|cx, body| body.poll_frame(cx)));
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), $data);
    };
}

macro_rules! assert_quiet {
    ($body:expr) => {
        assert_pending!($body.enter(|cx, body| body.poll_frame(cx)));
    };
}

#[tokio::test(start_paused = true)]
async fn whatever_is_sent_puts_the_heartbeat_off() {
    let (sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    for _ in 0..10 {
        assert_quiet!(body);
        advance(PERIOD * 2 / 3).await;
        send(&sender, "data\n\n");
        assert_data!(body, "data\n\n");
    }
    // It comes when between half of the period and all of it has passed.
    assert_quiet!(body);
    advance(PERIOD / 2 - Duration::from_millis(1)).await;
    assert_quiet!(body);
    advance(PERIOD / 2 + Duration::from_millis(1)).await;
    assert!(body.is_woken());
    assert_data!(body, ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn frames_that_send_nothing_do_not_put_it_off() {
    let (sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    assert_quiet!(body);
    advance(PERIOD * 2 / 3).await;
    send(&sender, "");
    assert_data!(body, "");
    assert_quiet!(body);
    advance(PERIOD / 3).await;
    assert_data!(body, ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_not_polled_has_missed_one_heartbeat_and_not_many() {
    let (_sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    advance(PERIOD * 10).await;
    assert_data!(body, ":\n\n");
    assert_quiet!(body);
    advance(PERIOD).await;
    assert_data!(body, ":\n\n");
    assert_quiet!(body);
}

#[tokio::test(start_paused = true)]
async fn data_comes_first_when_both_are_ready() {
    let (sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    assert_quiet!(body);
    advance(PERIOD).await;
    send(&sender, "data\n\n");
    assert_data!(body, "data\n\n");
    assert_quiet!(body);
}

#[tokio::test(start_paused = true)]
async fn inside_an_event_nobody_is_woken_but_for_the_event() {
    let (sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    send(&sender, "data: a\n");
    assert_data!(body, "data: a\n");
    assert_quiet!(body);
    // Until a heartbeat would have been due, and not again.
    for _ in 0..2 {
        advance(PERIOD).await;
        assert!(body.is_woken());
        assert_quiet!(body);
    }
    for _ in 0..10 {
        advance(PERIOD).await;
        assert!(!body.is_woken());
    }

    send(&sender, "\n");
    assert!(body.is_woken());
    assert_data!(body, "\n");
    assert_quiet!(body);
    advance(PERIOD).await;
    assert!(body.is_woken());
    assert_data!(body, ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn after_the_trailers_there_is_none() {
    let (sender, body) = channel(PERIOD);
    let mut body = spawn(body);
    send(&sender, "data\n\n");
    assert_data!(body, "data\n\n");
    assert_quiet!(body);
    sender
        .unbounded_send(Ok(Frame::trailers(Default::default())))
        .unwrap();
    let trailers = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(trailers.unwrap().unwrap().is_trailers());
    advance(PERIOD * 2).await;
    assert!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).is_none());
}

#[tokio::test(start_paused = true)]
async fn after_an_error_there_is_none() {
    let (sender, receiver) = unbounded::<Result<Frame<Bytes>, &str>>();
    let mut body = spawn(heartbeat(StreamBody::new(receiver), PERIOD));
    sender.unbounded_send(Err("gone")).unwrap();
    let error = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert_eq!(error.unwrap().unwrap_err(), "gone");
    advance(PERIOD * 2).await;
    assert!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_period_of_zero_is_a_millisecond() {
    let (_sender, body) = channel(Duration::ZERO);
    let mut body = Box::pin(body);
    let began = Instant::now();
    for _ in 0..5 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), ":\n\n");
    }
    assert_eq!(began.elapsed(), Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_period_without_end_is_thirty_years() {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    for period in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let (sender, body) = channel(period);
        let mut body = spawn(body);
        send(&sender, "data\n\n");
        assert_data!(body, "data\n\n");
        assert_quiet!(body);
        advance(YEAR * 15).await;
        assert_quiet!(body);
        advance(YEAR * 14).await;
        assert_quiet!(body);
        advance(YEAR).await;
        assert_data!(body, ":\n\n");
        assert_quiet!(body);
    }
}

#[tokio::test]
async fn it_ends_where_the_body_does() {
    assert!(heartbeat(Empty::<Bytes>::new(), PERIOD).is_end_stream());
    let data = Bytes::from_static(b"data\n\n");
    let mut body = Box::pin(heartbeat(Full::new(data), PERIOD));
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().upper(), None);
    // A byte order mark may be left out.
    assert_eq!(body.size_hint().lower(), 6 - 3);
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

/// Ends as soon as its last frame is out.
struct Frames(VecDeque<&'static [u8]>);

impl Body for Frames {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<&'static [u8]>, Infallible>>> {
        match self.0.pop_front() {
            // It is quiet.
            Some([]) => Poll::Pending,
            frame => Poll::Ready(frame.map(|data| Ok(Frame::data(data)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_when_the_body_ends_is_not_lost() {
    let frames = [b"", b"\xEF".as_slice(), b"\xBC\x81\n\n"];
    let mut body = spawn(heartbeat(Frames(frames.into()), PERIOD));
    advance(PERIOD).await;
    assert_data!(body, b":\n\n");
    assert_data!(body, b"\xEF");
    assert!(!body.enter(|_, body| body.is_end_stream()));
    assert_data!(body, b"\xBC\x81\n\n");
    assert!(body.enter(|_, body| body.is_end_stream()));
}

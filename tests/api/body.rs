//! Bodies on a connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use hangup::{CloseReason, Handle, Live, LiveBody};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio_test::{assert_pending, assert_ready, task};

use crate::support::live;
use crate::support::log::Log;

type Step = Result<Frame<Bytes>, &'static str>;

/// Has these frames, and says after the last that it is the last, if it is told to.
struct Frames {
    left: VecDeque<Step>,
    says_so: bool,
    length: Option<u64>,
}

impl Frames {
    fn new<const N: usize>(frames: [Step; N]) -> Self {
        Self {
            left: frames.into(),
            says_so: false,
            length: None,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Step>> {
        let frame = self.left.pop_front();
        if let (Some(length), Some(Ok(frame))) = (&mut self.length, &frame) {
            *length -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.says_so && self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn data(text: &'static str) -> Step {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn trailers() -> Step {
    let pair = ("grpc-status".parse().unwrap(), "0".parse().unwrap());
    Ok(Frame::trailers(std::iter::once(pair).collect()))
}

/// The next frame of it, as a text.
fn next<B>(body: &mut B) -> Option<Result<String, B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let frame = block_on(body.frame())?;
    Some(frame.map(|frame| match frame.into_data() {
        Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
        Err(_) => "trailers".to_owned(),
    }))
}

fn reason(handle: &Handle) -> Option<CloseReason> {
    handle.state().closed().map(|closed| closed.reason)
}

fn on_live<B: Body>(body: B) -> (Handle, LiveBody<B>) {
    let live: Live = live();
    (live.handle(), live.body(body))
}

#[test]
fn data_and_trailers_pass_and_the_end_completes() {
    let (handle, mut body) = on_live(Frames::new([data("a"), data("b"), trailers()]));
    for expected in ["a", "b", "trailers"] {
        assert!(!body.is_end_stream());
        assert_eq!(reason(&handle), None);
        assert_eq!(next(&mut body).unwrap().unwrap(), expected);
    }
    // Nobody asks for more after those.
    assert_eq!(reason(&handle), Some(CloseReason::Completed));
    assert!(next(&mut body).is_none());

    let (handle, mut body) = on_live(Frames::new([data("a")]));
    next(&mut body).unwrap().unwrap();
    assert_eq!(reason(&handle), None);
    assert!(next(&mut body).is_none());
    assert_eq!(reason(&handle), Some(CloseReason::Completed));
    assert!(body.is_end_stream());
    assert!(next(&mut body).is_none());
}

/// A server polls no more then.
#[test]
fn a_body_that_says_that_it_has_ended_completes_with_its_last_frame() {
    for last in [data("b"), trailers()] {
        let mut frames = Frames::new([data("a"), last]);
        frames.says_so = true;
        let (handle, mut body) = on_live(frames);
        next(&mut body).unwrap().unwrap();
        assert_eq!(reason(&handle), None);
        next(&mut body).unwrap().unwrap();
        assert_eq!(reason(&handle), Some(CloseReason::Completed));
        assert!(body.is_end_stream());
    }
}

#[test]
fn a_body_that_is_dropped_with_nothing_left_to_send_is_complete() {
    let (handle, body) = on_live(Empty::<Bytes>::new());
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(reason(&handle), Some(CloseReason::Completed));

    // A server that was told the length stops there.
    let mut frames = Frames::new([data("ab"), data("cd")]);
    frames.length = Some(4);
    let (handle, mut body) = on_live(frames);
    assert_eq!(body.size_hint().exact(), Some(4));
    next(&mut body).unwrap().unwrap();
    next(&mut body).unwrap().unwrap();
    drop(body);
    assert_eq!(reason(&handle), Some(CloseReason::Completed));
}

#[test]
fn a_body_that_is_dropped_before_its_end_is_dropped() {
    let mut frames = Frames::new([data("ab"), data("cd")]);
    frames.length = Some(4);
    let (handle, mut body) = on_live(frames);
    next(&mut body).unwrap().unwrap();
    drop(body);
    assert_eq!(reason(&handle), Some(CloseReason::Dropped));

    let (handle, body) = on_live(Full::new(Bytes::from_static(b"never sent")));
    drop(body);
    assert_eq!(reason(&handle), Some(CloseReason::Dropped));
}

#[test]
fn an_error_passes_and_fails_the_connection() {
    let (handle, body) = on_live(Frames::new([data("a"), Err("upstream is gone"), data("b")]));
    let mut body = body.farewell(|_| Some(Frame::data("bye".into())));
    next(&mut body).unwrap().unwrap();
    assert_eq!(next(&mut body).unwrap().unwrap_err(), "upstream is gone");
    assert_eq!(reason(&handle), Some(CloseReason::Failed));
    assert!(next(&mut body).is_none());
}

#[test]
fn a_close_from_elsewhere_ends_the_body_and_drops_the_inner_one() {
    let log = Log::default();
    let guard = log.on_drop("inner body gone");
    let quiet = stream::poll_fn(move |_| {
        let _guard = &guard;
        Poll::<Option<Result<Frame<Bytes>, Infallible>>>::Pending
    });
    let (handle, body) = on_live(StreamBody::new(quiet));
    let mut body = task::spawn(body);
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(body.is_woken());
    assert!(body.is_end_stream());
    assert!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).is_none());
    assert_eq!(log.entries(), ["inner body gone"]);
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[test]
fn a_farewell_comes_last_after_a_close_from_elsewhere() {
    let last = |end: hangup::End| Some(Frame::data(Bytes::from(end.to_string())));
    let (handle, body) = on_live(Frames::new([data("data: a\n\n")]));
    let mut body = body.farewell(last);
    next(&mut body).unwrap().unwrap();
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(!body.is_end_stream());
    assert_eq!(next(&mut body).unwrap().unwrap(), "shutdown");
    assert!(body.is_end_stream());
    assert!(next(&mut body).is_none());

    let mut frames = Frames::new([data("a")]);
    frames.says_so = true;
    frames.length = Some(1);
    let (_, body) = on_live(frames);
    let mut body = body.farewell(last);
    // More may come than the inner body says.
    assert_eq!(body.size_hint().exact(), None);
    next(&mut body).unwrap().unwrap();
    // What has completed has said all.
    assert!(next(&mut body).is_none());
    assert_eq!(body.size_hint().exact(), Some(0));
}

/// R18: a client would take half an event for a whole one.
#[test]
fn r18_no_farewell_inside_an_event_that_was_cut() {
    let last = |_| Some(Frame::data(Bytes::from_static(b"\n\nevent: closed\n\n")));
    let cut = "data: {\"amount\":1";
    let (handle, body) = on_live(Frames::new([data(cut)]));
    let mut body = body.farewell(last);
    next(&mut body).unwrap().unwrap();
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(next(&mut body).is_none());

    // The rest is ready and goes out.
    let (handle, body) = on_live(Frames::new([data(cut), data("00}\n\n"), data("data: cut")]));
    let mut body = body.farewell(last).flush(1);
    next(&mut body).unwrap().unwrap();
    handle.close(CloseReason::Shutdown).unwrap();
    assert_eq!(next(&mut body).unwrap().unwrap(), "00}\n\n");
    assert_eq!(next(&mut body).unwrap().unwrap(), "\n\nevent: closed\n\n");
    assert!(next(&mut body).is_none());

    // Trailers complete no event.
    let (handle, body) = on_live(Frames::new([data(cut)]));
    let mut body = body.farewell(|_| Some(Frame::trailers(Default::default())));
    next(&mut body).unwrap().unwrap();
    handle.close(CloseReason::Shutdown).unwrap();
    assert_eq!(next(&mut body).unwrap().unwrap(), "trailers");
    assert!(next(&mut body).is_none());

    let (handle, body) = on_live(Frames::new([data("a whole message")]));
    let mut body = body.farewell_after_any_frame(last);
    next(&mut body).unwrap().unwrap();
    handle.close(CloseReason::Shutdown).unwrap();
    assert!(next(&mut body).unwrap().is_ok());
}

/// A server that asks before it sends the head must not answer with an empty body.
#[test]
fn a_body_with_a_length_that_is_closed_before_its_head_is_not_complete() {
    let (handle, body) = on_live(Full::new(Bytes::from_static(b"0123456789")));
    handle.close(CloseReason::Shutdown).unwrap();
    assert_eq!(body.size_hint().exact(), Some(10));
    assert!(!body.is_end_stream());
    let mut body = body;
    assert!(next(&mut body).is_none());
    assert!(body.is_end_stream());
}

/// HTTP allows nothing after them.
#[test]
fn there_is_no_farewell_after_trailers() {
    let (handle, body) = on_live(Frames::new([data("a"), trailers()]));
    let mut body = body.farewell(|_| Some(Frame::data("bye".into())));
    next(&mut body).unwrap().unwrap();
    assert_eq!(next(&mut body).unwrap().unwrap(), "trailers");
    assert!(next(&mut body).is_none());
    assert_eq!(reason(&handle), Some(CloseReason::Completed));
}

#[test]
fn a_body_that_panics_fails_the_connection_wherever_it_does() {
    struct Bomb(&'static str);
    impl Body for Bomb {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            assert_ne!(self.0, "poll_frame");
            Poll::Pending
        }

        fn is_end_stream(&self) -> bool {
            assert_ne!(self.0, "is_end_stream");
            false
        }
    }
    let (handle, body) = on_live(Bomb("poll_frame"));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut body = task::spawn(body);
        body.enter(|cx, body| body.poll_frame(cx)).is_pending()
    }));
    assert!(polled.is_err());
    assert_eq!(reason(&handle), Some(CloseReason::Failed));

    // In its drop it can only be contained.
    let (handle, body) = on_live(Bomb("is_end_stream"));
    drop(body);
    assert_eq!(reason(&handle), Some(CloseReason::Dropped));
}

#[test]
fn a_body_can_be_wrapped_and_stays_on_its_connection() {
    let (handle, body) = on_live(Frames::new([data("a"), data("b")]));
    let mut body = body
        .farewell_after_any_frame(|_| Some(Frame::data("bye".into())))
        .map_inner(|inner| inner.map_err(str::len));
    assert_eq!(next(&mut body).unwrap().unwrap(), "a");
    assert!(format!("{body:?}").contains("state: Live"));
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(next(&mut body).unwrap().unwrap(), "bye");
    assert_eq!(body.handle(), handle);
}

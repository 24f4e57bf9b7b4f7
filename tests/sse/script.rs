//! A body that follows a script, and what comes of it when heartbeats are put in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::advance;
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use crate::oracle;
use crate::{PERIOD, heartbeat};

pub(crate) const HEARTBEAT: &[u8] = b":\n\n";

/// Chunks, and how many periods it is quiet before each; and at last before the end.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) chunks: Vec<(u32, Vec<u8>)>,
    pub(crate) quiet_at_end: u32,
}

/// What the client got.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) heartbeats: usize,
}

/// The frames that are ready; it is quiet while there are none, and over after `None`.
type Ready = Arc<Mutex<VecDeque<Option<Bytes>>>>;

struct Scripted(Ready);

impl Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Wakes nobody: it is polled again whenever the script goes on.
        match self.0.lock().unwrap().pop_front() {
            Some(frame) => Poll::Ready(frame.map(|data| Ok(Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

impl Script {
    pub(crate) fn input(&self) -> Vec<u8> {
        let chunks = self.chunks.iter().map(|(_, chunk)| chunk.as_slice());
        chunks.collect::<Vec<_>>().concat()
    }

    /// Plays it on a paused clock. At every quiet period the oracle is asked whether a
    /// heartbeat is due.
    pub(crate) fn play(&self) -> Received {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(self.run())
    }

    async fn run(&self) -> Received {
        let ready = Ready::default();
        let mut body = spawn(heartbeat(Scripted(Arc::clone(&ready)), PERIOD));
        let mut received = Received::default();
        let mut expected = oracle::Output::default();

        for (quiet, chunk) in &self.chunks {
            be_quiet(*quiet, &mut body, &mut received, &mut expected).await;
            ready
                .lock()
                .unwrap()
                .push_back(Some(Bytes::copy_from_slice(chunk)));
            expected.chunk(chunk);
            while let Poll::Ready(frame) = poll(&mut body) {
                let frame = frame.expect("the end");
                assert!(chunk.is_empty() || !frame.is_empty(), "an empty frame");
                received.bytes.extend(frame);
            }
            assert_eq!(received.bytes, expected.bytes(), "{self:?}");
        }
        be_quiet(self.quiet_at_end, &mut body, &mut received, &mut expected).await;
        ready.lock().unwrap().push_back(None);
        assert_eq!(assert_ready!(poll(&mut body)), None);

        // Nothing after the end.
        advance(PERIOD * 2).await;
        assert_eq!(assert_ready!(poll(&mut body)), None);
        received
    }
}

/// Lets the periods pass. Each has one heartbeat if the oracle says so, in the middle or at
/// the end.
async fn be_quiet(
    periods: u32,
    body: &mut Spawn<impl Body<Data = Bytes, Error = Infallible>>,
    received: &mut Received,
    expected: &mut oracle::Output,
) {
    for _ in 0..periods {
        assert_pending!(poll(body));
        let before = received.heartbeats;
        for _ in 0..2 {
            advance(PERIOD / 2).await;
            let woken = body.is_woken();
            if let Poll::Ready(frame) = poll(body) {
                assert!(woken, "no task was woken for the heartbeat");
                let frame = frame.unwrap();
                assert_eq!(frame, HEARTBEAT);
                received.bytes.extend(frame);
                received.heartbeats += 1;
                assert_pending!(poll(body));
            }
        }
        let heartbeats = received.heartbeats - before;
        assert_eq!(heartbeats, usize::from(expected.quiet()));
        assert_eq!(received.bytes, expected.bytes());
    }
}

fn poll(body: &mut Spawn<impl Body<Data = Bytes, Error = Infallible>>) -> Poll<Option<Bytes>> {
    body.enter(|cx, body| body.poll_frame(cx))
        .map(|frame| frame.map(|Ok(frame)| frame.into_data().expect("no trailers")))
}

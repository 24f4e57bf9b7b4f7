//! A stream of bytes that can be cut.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ::tokio::io::DuplexStream;

use crate::panic::wake;

/// The client's end of a pipe, which a task of a client library may have. It is cut when the
/// client goes, and not only when that task has ended.
#[derive(Debug)]
pub(super) struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    /// `None` while it is polled, and after it is cut.
    stream: Option<DuplexStream>,
    is_cut: bool,
    /// Those of a read and of a write.
    wakers: [Option<Waker>; 2],
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Read,
    Write,
}

impl Line {
    pub(super) fn new(stream: DuplexStream) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            stream: Some(stream),
            is_cut: false,
            wakers: [None, None],
        })))
    }

    /// Polls the stream. Its wakers are called without a lock.
    pub(super) fn poll<T>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut DuplexStream>, &mut Context<'_>) -> Poll<Result<T>>,
    ) -> Poll<Result<T>> {
        let waker = cx.waker().clone();
        let mut state = self.state();
        let Some(mut stream) = state.stream.take() else {
            return Poll::Ready(Err(Error::from(ErrorKind::ConnectionReset)));
        };
        let replaced = state.wakers[side as usize].replace(waker);
        drop(state);
        drop(replaced);
        let polled = poll(Pin::new(&mut stream), cx);
        let mut state = self.state();
        if !state.is_cut {
            state.stream = Some(stream);
        }
        polled
    }

    pub(super) fn cut(&self) {
        let mut state = self.state();
        state.is_cut = true;
        let (stream, wakers) = (state.stream.take(), std::mem::take(&mut state.wakers));
        drop(state);
        drop(stream);
        wakers.into_iter().flatten().for_each(wake);
    }

    /// Only code of this crate runs under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

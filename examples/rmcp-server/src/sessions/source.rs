//! The streams of a session.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use hangup::Handle;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;

type Streams = Vec<Weak<Mutex<Source>>>;

/// What a registry has of a session: its open streams.
#[derive(Clone)]
pub struct Session {
    /// `None` once they are cut.
    streams: Arc<Mutex<Option<Streams>>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            streams: Arc::new(Mutex::new(Some(Vec::new()))),
        }
    }
}

impl Session {
    /// `stream`, until the session closes. To read it touches the session: rmcp's keep-alive does
    /// at least that often, as long as the client reads.
    pub(super) fn read<S>(&self, stream: S, session: Handle) -> Read
    where
        S: Stream<Item = ServerSseMessage> + Send + 'static,
    {
        let mut source = Source {
            stream: Some(Box::pin(stream)),
            reader: None,
        };
        let mut streams = self.streams.lock().unwrap();
        if streams.is_none() {
            source.stream = None;
        }
        let source = Arc::new(Mutex::new(source));
        if let Some(streams) = streams.as_mut() {
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Arc::downgrade(&source));
        }
        Read { source, session }
    }

    /// Ends the streams, also those that the transport holds and does not poll, since their
    /// clients have stopped reading.
    pub(super) fn cut(&self) {
        let streams = self.streams.lock().unwrap().take();
        let open = streams.iter().flatten().filter_map(Weak::upgrade);
        for source in open {
            let mut source = source.lock().unwrap();
            let (stream, reader) = (source.stream.take(), source.reader.take());
            drop(source);
            drop(stream);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

struct Source {
    /// `None` once it has ended.
    stream: Option<Pin<Box<dyn Stream<Item = ServerSseMessage> + Send>>>,
    reader: Option<Waker>,
}

/// A stream of a session, while it is read.
pub(super) struct Read {
    source: Arc<Mutex<Source>>,
    session: Handle,
}

impl Stream for Read {
    type Item = ServerSseMessage;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        self.session.touch();
        let mut source = self.source.lock().unwrap();
        let Some(stream) = source.stream.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = stream.as_mut().poll_next(cx);
        match polled {
            Poll::Ready(None) => source.stream = None,
            Poll::Ready(Some(_)) => {}
            Poll::Pending => source.reader = Some(cx.waker().clone()),
        }
        polled
    }
}

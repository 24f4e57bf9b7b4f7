//! The two ends of a connection in memory.

use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::line::{Line, Side};
use crate::client::Client;
use crate::party::Party;
use crate::trial::Trial;

/// The client's end of a connection in memory, created by [`Client::serve`] and
/// [`Client::pipe`].
///
/// It is read only while the client [reads](Client::reads): at
/// [`Ending::Stalled`](crate::Ending::Stalled) a read is pending for ever. Writes go on. When it
/// is dropped, the server reads what was written before, and then the end of the stream. When
/// the script is dropped, or panics, the pipe is cut at once, even if a task of a client library
/// has it: reads and writes then fail.
#[derive(Debug)]
#[must_use = "the server sees the end of the stream when this is dropped"]
pub struct Pipe {
    trial: Trial,
    party: Party,
    line: Arc<Line>,
}

/// The server's end of a connection in memory, created by [`Client::pipe`].
#[derive(Debug)]
#[must_use = "the client sees the end of the stream when this is dropped"]
pub struct ServerEnd {
    trial: Trial,
    party: Party,
    inner: DuplexStream,
    /// Whether the server has come to the end of the stream.
    is_over: bool,
}

impl Client {
    /// Creates a connection of this client to a server that the test runs by itself. It holds
    /// at most `capacity` bytes in each direction.
    ///
    /// The server is a task of the trial:
    ///
    /// ```
    /// use hangup_test::serve::ServerEnd;
    /// use hangup_test::{Client, Trial, abort_everywhere};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// async fn greet(ledger: hangup_test::Ledger, mut connection: ServerEnd) {
    ///     let _session = ledger.hold("session");
    ///     if connection.write_all(b"hello").await.is_ok() {
    ///         // Until the client has gone.
    ///         let _: Result<_, _> = connection.read_u8().await;
    ///     }
    /// }
    ///
    /// let script = |trial: Trial, client: Client| async move {
    ///     let (mut pipe, connection) = client.pipe(16);
    ///     trial.spawn(greet(trial.ledger().clone(), connection));
    ///     let mut hello = [0; 5];
    ///     pipe.read_exact(&mut hello).await?;
    ///     trial.point("it is read").await;
    ///     pipe.read_u8().await
    /// };
    /// abort_everywhere(Trial::clone, script).check();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is zero.
    pub fn pipe(&self, capacity: usize) -> (Pipe, ServerEnd) {
        assert!(capacity > 0, "a pipe holds at least one byte");
        let (trial, party) = (self.trial().clone(), self.party());
        let (of_client, of_server) = duplex(capacity);
        let line = Line::new(of_client);
        let cut = Arc::downgrade(&line);
        let cuts = move || {
            if let Some(line) = cut.upgrade() {
                line.cut();
            }
        };
        trial.pipe_opens(party, Box::new(cuts));
        let pipe = Pipe {
            trial: trial.clone(),
            party,
            line,
        };
        let end = ServerEnd {
            trial,
            party,
            inner: of_server,
            is_over: false,
        };
        (pipe, end)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let reads = self.trial.reads(self.party);
        self.line.poll(Side::Read, cx, |stream, cx| match reads {
            true => stream.poll_read(cx, buf),
            // Only its end wakes it: a client that has stopped reading does not start again.
            false => Poll::Pending,
        })
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.line
            .poll(Side::Write, cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.line
            .poll(Side::Write, cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.line
            .poll(Side::Write, cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

impl ServerEnd {
    fn comes_to_the_end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.trial.pipe_ends(self.party);
        }
    }

    fn wrote(&mut self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        let is_broken = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
        if matches!(&written, Poll::Ready(Err(error)) if is_broken(error)) {
            self.comes_to_the_end();
        }
        written
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let room = buf.remaining();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if read.is_ready() && room > 0 && buf.remaining() == room {
            self.comes_to_the_end();
        }
        read
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.comes_to_the_end();
    }
}

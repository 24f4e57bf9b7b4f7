//! A connection that can hold back what comes from the server.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hangup_drives::Plan;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint, Error, Uri};

/// What is between a client and a server: open, unless it is closed.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_closed: bool,
    reader: Option<Waker>,
    /// The client has written something since it was closed.
    has_sent: bool,
}

impl Gate {
    /// A channel to `addr` through this gate.
    pub(crate) async fn connect(&self, addr: SocketAddr) -> Result<Channel, Error> {
        let gate = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let gate = gate.clone();
            async move {
                let stream = TcpStream::connect(addr).await?;
                io::Result::Ok(TokioIo::new(Gated { stream, gate }))
            }
        });
        let endpoint = Endpoint::from_shared(format!("http://{addr}"))?;
        endpoint.connect_with_connector(connector).await
    }

    pub(crate) fn close(&self) {
        let mut state = self.0.lock().unwrap();
        state.is_closed = true;
        state.has_sent = false;
    }

    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.is_closed = false;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Waits until the client has sent something since it was closed.
    pub(crate) async fn has_sent(&self) {
        let sent = async {
            while !self.0.lock().unwrap().has_sent {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Plan::SOON, sent).await.expect("the client sends");
    }
}

struct Gated {
    stream: TcpStream,
    gate: Gate,
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.gate.0.lock().unwrap();
        if state.is_closed {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.gate.0.lock().unwrap().has_sent = true;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

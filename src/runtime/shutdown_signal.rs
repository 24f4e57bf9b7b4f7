//! The signals that ask a server to end.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(unix)]
use ::tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use ::tokio::signal::windows::{CtrlC, CtrlClose, ctrl_c, ctrl_close};

/// Resolves when the process is asked to end: by SIGINT, as Ctrl-C sends it, or by SIGTERM, as
/// containers and systemd do; on Windows by Ctrl-C, or when its console closes.
///
/// It listens from this call on, and not only once it is polled. So make it before the server
/// says that it listens: a signal that comes then is not missed, and does not kill the process.
/// From this call on the signals do not end the process any more, as long as it runs.
///
/// # Errors
///
/// If the signals cannot be listened for.
///
/// # Panics
///
/// If there is no tokio runtime, or if its I/O is not enabled.
///
/// # Cancel safety
///
/// To drop it loses a signal that has come and was not seen; later ones are ignored.
pub fn shutdown_signal() -> io::Result<ShutdownSignal> {
    ShutdownSignal::listen()
}

/// Future of [`shutdown_signal`].
#[cfg(unix)]
#[must_use = "futures do nothing unless polled"]
pub struct ShutdownSignal {
    signals: [Signal; 2],
}

#[cfg(unix)]
impl ShutdownSignal {
    fn listen() -> io::Result<Self> {
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ];
        Ok(Self { signals })
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> bool {
        // Each is polled, so that each wakes.
        let came = self
            .signals
            .each_mut()
            .map(|it| it.poll_recv(cx).is_ready());
        came.contains(&true)
    }
}

/// Future of [`shutdown_signal`].
#[cfg(windows)]
#[must_use = "futures do nothing unless polled"]
pub struct ShutdownSignal {
    interrupt: CtrlC,
    close: CtrlClose,
}

#[cfg(windows)]
impl ShutdownSignal {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            close: ctrl_close()?,
        })
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> bool {
        // Each is polled, so that each wakes.
        self.interrupt.poll_recv(cx).is_ready() | self.close.poll_recv(cx).is_ready()
    }
}

impl Future for ShutdownSignal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_any(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").finish_non_exhaustive()
    }
}

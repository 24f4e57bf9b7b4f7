//! What the handler's task of a session holds as long as it runs.

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, pending};
use std::time::Duration;

use hangup::{CloseReason, Handle};
use rmcp::RoleServer;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::LocalSessionWorker;
use rmcp::transport::{Transport, WorkerTransport};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

type Inner = WorkerTransport<LocalSessionWorker>;

/// How long calls may take to notice that their session has ended.
const GRACE: Duration = Duration::from_millis(500);

/// The transport of rmcp's session. When it is dropped, at whatever point, the session closes,
/// and its undo goes on.
///
/// When the session has closed it fails what is sent, and ends when the calls that are in flight
/// have noticed. If it ended at once, rmcp would wait for these calls, for five seconds, and
/// handle nothing in the meantime, not even the progress that they report: they would wait for it.
pub struct SessionTransport {
    inner: Inner,
    calls: HashSet<RequestId>,
    ends: Option<Instant>,
    _end: End,
}

impl SessionTransport {
    pub(super) fn new(inner: Inner, session: Handle, let_go: oneshot::Sender<()>) -> Self {
        let end = End {
            session,
            _let_go: let_go,
        };
        Self {
            inner,
            calls: HashSet::new(),
            ends: None,
            _end: end,
        }
    }

    fn received(&mut self, message: &RxJsonRpcMessage<RoleServer>) {
        match message {
            JsonRpcMessage::Request(call) => {
                self.calls.insert(call.id.clone());
            }
            JsonRpcMessage::Notification(notification) => {
                // rmcp sends no answer to a call that is cancelled.
                if let ClientNotification::CancelledNotification(it) = &notification.notification
                    && let Some(id) = &it.params.request_id
                {
                    self.calls.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }

    fn answers(&mut self, message: &TxJsonRpcMessage<RoleServer>) {
        match message {
            JsonRpcMessage::Response(answer) => {
                self.calls.remove(&answer.id);
            }
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.calls.remove(id);
                }
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
    }
}

impl Transport<RoleServer> for SessionTransport {
    type Error = <Inner as Transport<RoleServer>>::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.answers(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.inner.receive().await;
        if let Some(message) = &message {
            self.received(message);
        } else if !self.calls.is_empty() {
            let ends = *self.ends.get_or_insert_with(|| Instant::now() + GRACE);
            // rmcp drops this, and calls again, when it has sent something.
            let _: Result<(), _> = timeout_at(ends, pending()).await;
        }
        message
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

impl fmt::Debug for SessionTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTransport")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// Dropped after the transport.
struct End {
    session: Handle,
    /// To drop it is the message.
    _let_go: oneshot::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        // An error means that it has closed.
        let _: Result<(), _> = self.session.close(CloseReason::Completed);
    }
}

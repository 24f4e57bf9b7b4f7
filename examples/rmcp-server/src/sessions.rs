//! Sessions of rmcp that are connections without a stream: a wrapper of its
//! [`LocalSessionManager`].
//!
//! A session has a place under the cap of its scope, closes when it is idle, at a drain, by hand
//! and by a `DELETE`, and whatever closes it, its undo ends rmcp's session and waits until the
//! handler's task has let go of it. Give it to a `StreamableHttpService`, and put [`answer`]
//! around that.
//!
//! From its version 2026-07-28 on MCP has no sessions: of a client that speaks it, the streams
//! alone are connections.

mod error;
mod answers;
mod source;
mod transport;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::Stream;
use hangup::runtime::BoxFuture;
use hangup::{CloseReason, Handle, Registering, Registry, Scope};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker,
};
use rmcp::transport::streamable_http_server::session::{EventStore, RestoreOutcome};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionManager};
use tokio::sync::oneshot;

pub use answers::answer;
pub use error::SessionError;
pub use rmcp::transport::streamable_http_server::session::SessionId;
pub use source::Session;
pub use transport::SessionTransport;

type Undo = dyn Fn(SessionId) -> BoxFuture<()> + Send + Sync;

/// The sessions of a scope.
///
/// The scope has the cap, and the deadlines: an idle deadline at least, which every message
/// restarts, and every stream that is read.
pub struct ScopedSessions {
    local: Arc<LocalSessionManager>,
    scope: Scope,
    open: Registry<SessionId, Session>,
    undo: Arc<Undo>,
}

impl ScopedSessions {
    /// Sessions of `scope`, which `open` has under their ids while they are open.
    pub fn new(scope: Scope, open: Registry<SessionId, Session>) -> Self {
        let mut local = LocalSessionManager::default();
        // The scope ends what is idle, and it knows which streams are read.
        local.session_config.keep_alive = None;
        Self {
            local: Arc::new(local),
            scope,
            open,
            undo: Arc::new(|_| Box::pin(std::future::ready(()))),
        }
    }

    /// What the application undoes for a session, when rmcp's session has ended: also for one that
    /// closed before it was open, which nothing has found.
    #[must_use]
    pub fn undo<F>(mut self, undo: impl Fn(SessionId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.undo = Arc::new(move |id| Box::pin(undo(id)));
        self
    }

    /// How many sessions rmcp has. `None` while it adds one or takes one out.
    pub fn of_rmcp(&self) -> Option<usize> {
        let sessions = self.local.sessions.try_read().ok()?;
        Some(sessions.len())
    }

    /// A place under the cap, before rmcp has a session.
    fn admit(&self) -> Result<Registering, SessionError> {
        let opened = self.scope.open().map_err(hangup::Error::from);
        let setup = opened.and_then(|pending| Ok(pending.register()?));
        setup.map_err(|error| answers::note(error.into()))
    }

    /// Makes rmcp's session `id` the connection. There is no await between the one in which rmcp
    /// has made it and this, so that no drop comes in between; and an undo that is registered for
    /// a connection that has closed runs all the same.
    fn enrol(
        &self,
        mut setup: Registering,
        id: &SessionId,
        transport: WorkerTransport<LocalSessionWorker>,
    ) -> Result<SessionTransport, SessionError> {
        let (let_go, is_over) = oneshot::channel();
        let transport = SessionTransport::new(transport, setup.handle(), let_go);
        let session = Session::default();
        let (local, streams, key) = (Arc::clone(&self.local), session.clone(), id.clone());
        let rmcps = move || async move {
            // First: a client that has stopped reading holds up the worker of its session.
            streams.cut();
            // If its worker has ended already, that is what was wanted.
            let _: Result<(), _> = local.close_session(&key).await;
            // The handler's task has dropped its transport; an error says the same.
            let _: Result<(), _> = is_over.await;
        };
        let (undo, forgotten) = (Arc::clone(&self.undo), id.clone());
        let enrolled = (|| {
            // Both run, whatever fails from here on.
            let (last, first) = (
                setup.on_close_last("application", move || undo(forgotten)),
                setup.on_close_async("session of rmcp", rmcps),
            );
            last.and(first)?;
            setup.join(&self.open, id.clone(), session)?;
            setup.go_live()?.hold_open()
        })();
        match enrolled {
            Ok(_) => Ok(transport),
            Err(error) => Err(answers::note(error.into())),
        }
    }

    /// Runs `work` for the session `id`, until the session closes.
    async fn within<T>(
        &self,
        id: &SessionId,
        work: impl Future<Output = Result<T, LocalSessionManagerError>>,
    ) -> Result<(T, Session, Handle), SessionError> {
        let ended = || answers::note(SessionError::Ended);
        let member = self.open.get(id).ok_or_else(ended)?;
        let (session, handle) = (Session::clone(&member), member.handle().clone());
        handle.touch();
        tokio::select! {
            biased;
            _ = handle.closed() => Err(ended()),
            done = work => Ok((done?, session, handle)),
        }
    }

    async fn stream<S>(
        &self,
        id: &SessionId,
        work: impl Future<Output = Result<S, LocalSessionManagerError>>,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError>
    where
        S: Stream<Item = ServerSseMessage> + Send + 'static,
    {
        let (stream, session, handle) = self.within(id, work).await?;
        Ok(session.read(stream, handle))
    }
}

impl SessionManager for ScopedSessions {
    type Error = SessionError;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport), SessionError> {
        let setup = self.admit()?;
        let (id, transport) = self.local.create_session().await?;
        let transport = self.enrol(setup, &id, transport)?;
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        // The client learns the id from the answer: without one, nothing else would end it soon.
        let mut unknown = CloseOnDrop(self.open.get(id).map(|member| member.handle().clone()));
        let work = self.local.initialize_session(id, message);
        let (response, ..) = self.within(id, work).await?;
        unknown.0 = None;
        Ok(response)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        let member = self.open.get(id);
        Ok(member.inspect(|it| it.handle().touch()).is_some())
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        self.open.close(id, CloseReason::Completed);
        self.open.settled(id).await;
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.stream(id, self.local.create_stream(id, message)).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        let work = self.local.accept_message(id, message);
        self.within(id, work).await.map(drop)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        let work = self.local.create_standalone_stream(id);
        self.stream(id, work).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.stream(id, self.local.resume(id, last_event_id)).await
    }

    async fn restore_session(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<SessionTransport>, SessionError> {
        let setup = self.admit()?;
        match self.local.restore_session(id.clone()).await? {
            RestoreOutcome::Restored(transport) => {
                let transport = self.enrol(setup, &id, transport)?;
                Ok(RestoreOutcome::Restored(transport))
            }
            RestoreOutcome::AlreadyPresent => Ok(RestoreOutcome::AlreadyPresent),
            _ => Ok(RestoreOutcome::NotSupported),
        }
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.local.event_store()
    }
}

impl fmt::Debug for ScopedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedSessions")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

struct CloseOnDrop(Option<Handle>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            // An error means that it has closed.
            let _: Result<(), _> = handle.close(CloseReason::Dropped);
        }
    }
}

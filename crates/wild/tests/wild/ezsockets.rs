//! A server of ezsockets that keeps the session of each user.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use enfync::builtin::native::TokioHandle;
use ezsockets::{
    CloseFrame, Error, RawMessage, Request, Server, ServerExt, Session, SessionExt, Socket,
    SocketConfig, Utf8Bytes, WSError,
};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Sink, Stream, StreamExt};
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;

use crate::idle::all_idle;

const USERS: Row = Row::new(
    "ezsockets",
    "a session under the name of its user, removed in `on_disconnect`",
);

/// The connection to one client, without its network.
struct Pipe {
    out: UnboundedSender<RawMessage>,
    incoming: UnboundedReceiver<RawMessage>,
}

#[derive(Debug, thiserror::Error)]
#[error("the client is gone")]
struct Gone;

impl From<Gone> for WSError {
    fn from(_: Gone) -> Self {
        Self::ConnectionClosed
    }
}

impl Stream for Pipe {
    type Item = Result<RawMessage, Gone>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_next_unpin(cx).map(|it| it.map(Ok))
    }
}

impl Sink<RawMessage> for Pipe {
    type Error = Gone;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: RawMessage) -> Result<(), Gone> {
        self.out.unbounded_send(message).map_err(|_| Gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.out.close_channel();
        Poll::Ready(Ok(()))
    }
}

type Sessions = Arc<Mutex<HashMap<String, Session<String, ()>>>>;

struct Users(Sessions);

#[async_trait::async_trait]
impl ServerExt for Users {
    type Session = User;
    type Call = ();

    async fn on_connect(
        &mut self,
        socket: Socket,
        _: Request,
        _: SocketAddr,
    ) -> Result<Session<String, ()>, Option<CloseFrame>> {
        let id = "ada".to_owned();
        let session = Session::create(|_| User(id.clone()), id.clone(), socket);
        self.0.lock().unwrap().insert(id, session.clone());
        Ok(session)
    }

    async fn on_disconnect(
        &mut self,
        id: String,
        _: Result<Option<CloseFrame>, Error>,
    ) -> Result<(), Error> {
        self.0.lock().unwrap().remove(&id);
        Ok(())
    }

    async fn on_call(&mut self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

struct User(String);

#[async_trait::async_trait]
impl SessionExt for User {
    type ID = String;
    type Call = ();

    fn id(&self) -> &String {
        &self.0
    }

    async fn on_text(&mut self, _: Utf8Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn on_binary(&mut self, _: bytes::Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn on_call(&mut self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Clone)]
struct App {
    sessions: Sessions,
    server: Server<Users>,
}

impl App {
    fn new() -> Self {
        let sessions = Sessions::default();
        let users = Users(Arc::clone(&sessions));
        let (server, _) = Server::create(|_| users);
        Self { sessions, server }
    }

    /// Returns the client's end: it speaks and reads.
    fn connect(&self) -> (UnboundedSender<RawMessage>, UnboundedReceiver<RawMessage>) {
        let (speak, incoming) = unbounded();
        let (out, read) = unbounded();
        let config = SocketConfig {
            // Its limit is measured by a clock that can't be paused.
            heartbeat: Duration::from_secs(100_000),
            ..SocketConfig::default()
        };
        let runtime = TokioHandle(tokio::runtime::Handle::current());
        let socket = Socket::new(Pipe { out, incoming }, config, runtime);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        self.server.accept(socket, Request::default(), address);
        (speak, read)
    }

    fn has_ada(&self) -> bool {
        self.sessions.lock().unwrap().contains_key("ada")
    }
}

#[test]
fn a_user_that_reconnects_is_removed() {
    let connect = |app: App, client: Client| async move {
        let (_speak, read) = app.connect();
        client.respond(read).await;
    };
    let report = abort_everywhere(|_: &Trial| App::new(), connect)
        .entry("sessions", App::has_ada)
        .on_tokio()
        .explore()
        .unwrap();
    USERS.found(&report, |fault| {
        matches!(fault, Fault::Taken { .. } | Fault::Missing { .. })
    });
}

#[tokio::test(start_paused = true)]
async fn a_user_that_reconnects_is_removed_without_the_kit() {
    let app = App::new();
    let old = app.connect();
    all_idle().await;
    let _new = app.connect();
    all_idle().await;
    let session = app.sessions.lock().unwrap()["ada"].clone();
    drop(old);
    all_idle().await;
    assert!(session.alive(), "the new connection is open");
    assert!(!app.has_ada(), "and can't be found");
    USERS.confirmed();
}

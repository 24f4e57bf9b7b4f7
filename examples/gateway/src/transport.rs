//! Sockets and requests: clients are not too many, one that sends half a request does not stay,
//! and all go with the server.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, FromRequest, Request};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Gateway;
use super::problem::Problem;
use super::settings::Settings;

/// How long no client is accepted after the system had no socket for one.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until `drain` has ended, and then until the last answer has left. The head of a
/// request may take as long as the settings say, and so may the pause between two requests.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    settings: &Settings,
    drain: impl Future<Output = ()>,
) {
    let (graceful, mut drain) = (GracefulShutdown::new(), pin!(drain));
    // They end with this future at the latest.
    let mut clients = JoinSet::new();
    loop {
        let socket = tokio::select! {
            // Those who are too many wait in the queue of the system, which is bounded too.
            socket = accept(&listener), if clients.len() < settings.max_sockets() => socket,
            // An error is that the client is gone, or has taken too long.
            Some(_) = clients.join_next() => continue,
            () = &mut drain => break,
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.request)
            .serve_connection(TokioIo::new(socket), service);
        clients.spawn(graceful.watch(connection));
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The next client, as soon as the system has a socket for it.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) if is_about_the_client(&error) => {}
            Err(error) => {
                eprintln!("no socket for a client: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What is read of the body of a request, in time.
pub(crate) struct Timely<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Timely<T>
where
    S: Send + Sync,
    Gateway: FromRef<S>,
    T: FromRequest<S>,
    Problem: From<T::Rejection>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let patience = Gateway::from_ref(state).patience;
        let read = timeout(patience, T::from_request(request, state));
        let read = read.await.map_err(|_| Problem::SlowRequest)?;
        Ok(Self(read?))
    }
}

//! The gateway on several nodes: one connection per worker's name among all of them, and agents
//! whose messages reach their streams on whichever node.

mod job_router;
mod engine;
mod options;
mod refusal;
mod message;
mod member;
mod worker;
mod agents;
mod stats;

use std::future::Future;
use std::io;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::settings::Settings;
use super::{Gateway, no_head, serve_on};
use member::Member;

pub(crate) use engine::{Address, Engine};
pub(crate) use job_router::RemoteRouter;
pub(crate) use options::Options;
pub(crate) use refusal::Refusal;

/// Joins the cluster, says that it listens, and serves until `shutdown`; then it ends every stream
/// with its farewell, and leaves.
pub(crate) async fn serve(
    listener: TcpListener,
    settings: &Settings,
    engine: Engine,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let addr = listener.local_addr()?;
    let gateway = Gateway::new(settings, addr);
    let member = Member::join(gateway.clone(), settings, engine).await?;
    let revocations = member.revocations().await?;
    let following = member.clone().follow(revocations);
    let cluster = member.cluster.clone();
    let draining = cluster.clone();
    let shutdown = async move {
        shutdown.await;
        draining.begin_drain();
    };
    println!("listening on http://{addr}");
    let routes = routes(member);
    tokio::select! {
        () = serve_on(listener, settings, gateway, routes, shutdown) => {}
        () = following => {}
    }
    cluster.leave().await;
    Ok(())
}

fn routes(member: Member) -> Router<Gateway> {
    Router::new()
        .route("/worker/stream", no_head("GET", get(worker::stream)))
        .route("/agents/{id}/events", no_head("GET", get(agents::events)))
        .route("/agents/{id}/messages", post(agents::send_message))
        .route("/agents/{id}", get(agents::agent).delete(agents::delete))
        .route("/stats", get(stats::stats))
        .route("/healthz", get(stats::health))
        .with_state(member)
}

//! The server.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::judge::{Counts, Judge, Told, Verdict};
use super::query::parameter;

/// A resource that serves on a free port of loopback until it is dropped.
///
/// # Examples
///
/// ```
/// use hangup_breaker::resource::Resource;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let resource = Resource::start().await?;
/// // Each server under test is told where it is.
/// println!("{}", resource.url());
/// // What they did, in the end.
/// assert_eq!(resource.counts().overlaps, 0);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Resource {
    addr: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the server with this.
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    judge: Mutex<Judge>,
    changed: watch::Sender<()>,
}

impl Resource {
    /// Starts one that has a fence.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Judge::default()).await
    }

    /// Starts one that decides as `judge` does.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start_with(judge: Judge) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            judge: Mutex::new(judge),
            changed: watch::Sender::new(()),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            addr,
            shared,
            _server: server,
        })
    }

    /// Where it serves: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has counted up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.judge().counts()
    }

    /// What it knows now. Calls wait while this is held.
    pub fn judge(&self) -> MutexGuard<'_, Judge> {
        self.shared.judge()
    }

    /// Waits until `condition` holds, at most for `at_most`; whether it holds then.
    pub async fn until(&self, at_most: Duration, condition: impl Fn(&Judge) -> bool) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let holds = async {
            while !condition(&self.judge()) {
                // The sender lives as long as `self`.
                let _ = changed.changed().await;
            }
        };
        timeout(at_most, holds).await.is_ok()
    }
}

impl Shared {
    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the judge decide, and wakes those who wait for a condition.
    fn decide(&self, decide: impl FnOnce(&mut Judge) -> Verdict) -> Verdict {
        let verdict = decide(&mut self.judge());
        self.changed.send_replace(());
        verdict
    }

    async fn answer(&self, request: Request<Incoming>) -> (StatusCode, Value) {
        let query = request.uri().query().unwrap_or_default();
        let call = match (request.method(), request.uri().path()) {
            (&Method::GET, "/counts") => return (StatusCode::OK, self.counts()),
            (&Method::POST, "/enter") => self.enter(query),
            (&Method::POST, "/write") => {
                keyed(query).map(|(key, epoch)| self.decide(|judge| judge.write(&key, epoch)))
            }
            (&Method::POST, "/leave") => self.leave(query).await,
            (_, path) => return (StatusCode::NOT_FOUND, json!({ "error": path })),
        };
        match call {
            None => (StatusCode::BAD_REQUEST, json!({ "error": query })),
            Some(Verdict::Accepted) => (StatusCode::OK, json!({})),
            Some(Verdict::Refused { highest }) => {
                (StatusCode::CONFLICT, json!({ "highest": highest }))
            }
        }
    }

    fn enter(&self, query: &str) -> Option<Verdict> {
        let (key, epoch) = keyed(query)?;
        let owner = parameter(query, "owner")?;
        let predecessor = match &parameter(query, "predecessor")?[..] {
            "settled" => Told::Settled,
            "unsettled" => Told::Unsettled,
            _ => return None,
        };
        Some(self.decide(|judge| judge.enter(&key, epoch, &owner, predecessor)))
    }

    /// If the caller goes away before it has ended, the undo is given up: it has not left then.
    async fn leave(&self, query: &str) -> Option<Verdict> {
        let (key, epoch) = keyed(query)?;
        let takes = match parameter(query, "take_ms") {
            Some(takes) => Duration::from_millis(takes.parse().ok()?),
            None => Duration::ZERO,
        };
        let begun = self.decide(|judge| judge.begin_to_leave(&key, epoch));
        if let Verdict::Refused { .. } = begun {
            return Some(begun);
        }
        sleep(takes).await;
        Some(self.decide(|judge| judge.leave(&key, epoch)))
    }

    fn counts(&self) -> Value {
        let judge = self.judge();
        let counts = judge.counts();
        json!({
            "entered": counts.entered,
            "refused": counts.refused,
            "late_entries": counts.late_entries,
            "overlaps": counts.overlaps,
            "overlaps_told": counts.overlaps_told,
            "writes": counts.writes,
            "late_writes": counts.late_writes,
            "undos": counts.undos,
            "late_undos": counts.late_undos,
            "unfenced": counts.unfenced,
            "inside": judge.inside(),
        })
    }
}

fn keyed(query: &str) -> Option<(String, u64)> {
    let epoch = parameter(query, "epoch")?;
    Some((parameter(query, "key")?, epoch.parse().ok()?))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        // A client that was reset before it was accepted.
        let Ok((socket, _)) = accepted else { continue };
        // Without it, answers are late by the client's delayed acknowledgement.
        let _ = socket.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| async {
                let (status, body) = shared.answer(request).await;
                let body = Full::new(Bytes::from(body.to_string()));
                let mut response = Response::new(body);
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            });
            // A client that goes away is an error.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

//! A job router that all nodes share, asked over HTTP. It refuses what comes from an owner that
//! has a successor, by its epoch.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use futures::future::join;
use hangup_cluster::{Epoch, Predecessor};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the router is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteRouter {
    addr: String,
}

/// Why the router did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouterError {
    #[error("the job router knows a later owner")]
    Fenced,
    #[error("the job router answers {0}")]
    Status(StatusCode),
    #[error("the job router is not there: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the job router does not answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the job router does not answer in time")]
    Late,
}

/// An owner of a worker's name, as the router knows it.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    router: RemoteRouter,
    key: String,
    epoch: Epoch,
}

impl RemoteRouter {
    /// The router at `http://HOST:PORT`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let addr = url.strip_prefix("http://")?;
        let addr = addr.strip_suffix('/').unwrap_or(addr);
        let (host, port) = addr.rsplit_once(':')?;
        let is_addr = !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok();
        is_addr.then(|| Self {
            addr: addr.to_owned(),
        })
    }

    pub(crate) fn owner(&self, key: &str, epoch: Epoch) -> Owner {
        Owner {
            router: self.clone(),
            key: encode(key),
            epoch,
        }
    }

    async fn post(&self, path: &str, at_most: Duration) -> Result<(), RouterError> {
        let exchange = async {
            let request = Request::post(path).header(HOST, &self.addr);
            let request = request.body(Empty::<Bytes>::new());
            let request = request.expect("its parts are encoded");
            let socket = TcpStream::connect(&self.addr).await?;
            let (mut router, connection) = http1::handshake(TokioIo::new(socket)).await?;
            let ask = async move {
                let answer = router.send_request(request).await?;
                let status = answer.status();
                answer.into_body().collect().await?;
                Ok::<_, hyper::Error>(status)
            };
            // In one future, not in a task: nothing is sent when this is not polled.
            let (status, _) = join(ask, connection).await;
            match status? {
                StatusCode::OK => Ok(()),
                StatusCode::CONFLICT => Err(RouterError::Fenced),
                other => Err(RouterError::Status(other)),
            }
        };
        let answer = timeout(at_most, exchange).await;
        answer.unwrap_or(Err(RouterError::Late))
    }
}

impl Owner {
    /// The set-up: jobs flow to `by` from now on.
    pub(crate) async fn enter(
        &self,
        by: &str,
        predecessor: Predecessor,
    ) -> Result<(), RouterError> {
        let predecessor = match predecessor {
            Predecessor::Settled => "settled",
            Predecessor::Unsettled => "unsettled",
        };
        let path = format!(
            "{}&owner={}&predecessor={predecessor}",
            self.path("enter"),
            encode(by),
        );
        self.router.post(&path, PATIENCE).await
    }

    /// One act of the owner.
    pub(crate) async fn write(&self) -> Result<(), RouterError> {
        self.router.post(&self.path("write"), PATIENCE).await
    }

    /// The undo, which takes so long at the router.
    pub(crate) async fn leave(&self, takes: Duration) -> Result<(), RouterError> {
        let path = format!("{}&take_ms={}", self.path("leave"), takes.as_millis());
        self.router.post(&path, PATIENCE + takes).await
    }

    fn path(&self, act: &str) -> String {
        format!("/{act}?key={}&epoch={}", self.key, self.epoch)
    }
}

/// As a part of a query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a text takes all");
        }
    }
    encoded
}

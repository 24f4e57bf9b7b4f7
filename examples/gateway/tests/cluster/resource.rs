//! The job router that the nodes share, which writes down what comes when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The only worker.
const KEY: &str = "ada & co";

/// What has come, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Enter {
        node: String,
        epoch: u64,
        predecessor: String,
    },
    Write {
        epoch: u64,
    },
    BeginToLeave {
        epoch: u64,
    },
    Left {
        epoch: u64,
    },
    /// It was refused.
    Fenced {
        epoch: u64,
    },
}

#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) addr: SocketAddr,
    acts: Arc<Mutex<Vec<Act>>>,
}

#[derive(Deserialize)]
struct Call {
    key: String,
    epoch: u64,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    predecessor: String,
    #[serde(default)]
    take_ms: u64,
}

impl Resource {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resource = Self {
            addr: listener.local_addr().unwrap(),
            acts: Arc::default(),
        };
        let routes = Router::new()
            .route("/enter", post(enter))
            .route("/write", post(write))
            .route("/leave", post(leave))
            .with_state(resource.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        resource
    }

    pub(crate) fn acts(&self) -> Vec<Act> {
        let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        acts.clone()
    }

    /// Without the acts of owners between their set-up and their undo.
    pub(crate) fn moves(&self) -> Vec<Act> {
        let is_move = |act: &Act| !matches!(act, Act::Write { .. });
        self.acts().into_iter().filter(is_move).collect()
    }

    /// Takes it, if no later owner has been heard of.
    fn take(&self, act: Act, epoch: u64) -> StatusCode {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late = acts.iter().any(|act| match act {
            Act::Enter { epoch: other, .. } => *other > epoch,
            _ => false,
        });
        acts.push(match is_late {
            true => Act::Fenced { epoch },
            false => act,
        });
        match is_late {
            true => StatusCode::CONFLICT,
            false => StatusCode::OK,
        }
    }
}

async fn enter(State(resource): State<Resource>, Query(call): Query<Call>) -> StatusCode {
    let Call { epoch, .. } = call;
    assert_eq!(call.key, KEY);
    let (node, _connection) = call.owner.split_once('/').unwrap();
    let enter = Act::Enter {
        node: node.to_owned(),
        epoch,
        predecessor: call.predecessor,
    };
    resource.take(enter, epoch)
}

async fn write(State(resource): State<Resource>, Query(call): Query<Call>) -> StatusCode {
    let Call { epoch, .. } = call;
    resource.take(Act::Write { epoch }, epoch)
}

async fn leave(State(resource): State<Resource>, Query(call): Query<Call>) -> StatusCode {
    let Call { epoch, .. } = call;
    let begun = resource.take(Act::BeginToLeave { epoch }, epoch);
    if begun != StatusCode::OK {
        return begun;
    }
    sleep(Duration::from_millis(call.take_ms)).await;
    resource.take(Act::Left { epoch }, epoch)
}

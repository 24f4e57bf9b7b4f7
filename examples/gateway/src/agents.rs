//! Agents: several streams each, which get every message.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use hangup::topic::{Gap, Replay, SseEvent};
use hangup::{CloseReason, Closed};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::AgentId;
use super::problem::Problem;
use super::transport::Timely;
use super::{DELETED, Gateway, latency};

#[derive(Deserialize)]
pub(crate) struct AgentQuery {
    #[serde(default)]
    pub(crate) setup_ms: u64,
    /// For a first connect; a client that reconnects by itself sends a header.
    pub(crate) last_event_id: Option<String>,
}

const LAST_EVENT_ID: &str = "last-event-id";

/// Where a client goes on that has seen the event of this id: at the beginning, if it has none
/// or one that is none of ours.
pub(crate) fn replay(headers: &HeaderMap, query: Option<&str>) -> Replay {
    let header = headers.get(LAST_EVENT_ID).map(|id| id.as_bytes());
    Replay::resume(header.or_else(|| query.map(str::as_bytes)), Replay::All)
}

/// A client that comes back after it was told is not told again.
fn gap_event(gap: Gap) -> Bytes {
    let event = SseEvent::new("gap").id(gap.resume);
    event.data(&gap.to_string()).into_bytes()
}

/// Several streams per agent; each gets every message.
pub(crate) async fn events(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
    headers: HeaderMap,
    query: Result<Query<AgentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let latency = latency(query.setup_ms)?;
    let replay = replay(&headers, query.last_event_id.as_deref());
    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("agent {agent}"));
    setup.join(&gateway.agents, agent.clone(), ())?;
    let messages = gateway.messages.subscribe(&agent, replay)?;
    // Join, then ask. A `DELETE` revokes first and closes then: if it revokes before this asks, the
    // answer is no, and if it revokes after, the stream has joined and is closed. Asked before
    // `join`, an agent that is revoked between the two would go on streaming.
    let permitted = gateway.permissions.permit(&agent, latency);
    if !setup.run(permitted).await? {
        // `Err` if the `DELETE` has closed it.
        let _: Result<(), Closed> = setup.close(CloseReason::Rejected);
        return Err(Problem::Forbidden);
    }
    let live = setup.go_live()?;
    let messages = messages.for_connection(live.handle());
    Ok(gateway.events(live, messages.gap_as(gap_event)))
}

pub(crate) async fn send_message(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
    Timely(data): Timely<String>,
) -> Result<Json<Value>, Problem> {
    let message = SseEvent::new("output").data(&data);
    let id = gateway.messages.publish_event(&agent, message)?;
    let streams = gateway.agents.count(&agent);
    Ok(Json(json!({ "id": id.to_string(), "streams": streams })))
}

pub(crate) async fn agent(
    State(gateway): State<Gateway>,
    AgentId(agent): AgentId,
) -> Result<Json<Value>, Problem> {
    match gateway.agents.count(&agent) {
        0 => Err(match gateway.agents.last_close(&agent) {
            Some(closed) => Problem::Gone(closed),
            None => Problem::NoAgent,
        }),
        streams => Ok(Json(json!({ "streams": streams }))),
    }
}

pub(crate) async fn delete(State(gateway): State<Gateway>, AgentId(agent): AgentId) -> Json<Value> {
    gateway.permissions.revoke(&agent);
    // Its streams give their places back at once, and get what was accepted, then `closed`.
    let closed = gateway.agents.close(&agent, DELETED);
    gateway.messages.close(&agent, DELETED);
    Json(json!({ "closed": closed }))
}

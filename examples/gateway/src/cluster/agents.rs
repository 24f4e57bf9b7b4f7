//! Agents: several streams each, on whichever nodes, which get every message.

use std::future::ready;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{Stream, StreamExt};
use hangup::topic::{Cursor, Replay, SseEvent};
use hangup::{CloseReason, Closed, Handle};
use hangup_cluster::fan_out::{Gap, Subscription};
use hangup_cluster::{ClusterKey, LiveExt};
use serde_json::{Value, json};

use super::super::agents::{AgentQuery, replay};
use super::super::names::AgentId;
use super::super::problem::Problem;
use super::super::transport::Timely;
use super::super::{DELETED, latency};
use super::member::{Member, revocations};
use super::message::{self, Message};
use super::refusal::Refusal;

/// As on one node; it goes on behind the last event of whichever node.
pub(super) async fn events(
    State(member): State<Member>,
    AgentId(agent): AgentId,
    headers: HeaderMap,
    query: Result<Query<AgentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let latency = latency(query.setup_ms)?;
    let replay = replay(&headers, query.last_event_id.as_deref());
    let gateway = &member.gateway;
    let key = key(&member, &agent)?;
    let topic = key.topic();

    let mut setup = gateway.scope.open()?.register()?;
    setup.label(format!("agent {agent}"));
    // As many as this on each node.
    setup.join(&gateway.agents, agent.clone(), ())?;
    let subscribing = async {
        // What was deleted up to here is history.
        let now = member.messages.subscribe(&topic, Replay::Now).await?;
        let messages = member.messages.subscribe(&topic, replay).await?;
        Ok((now.cursor(), messages))
    };
    let subscribed = setup.run(subscribing).await?;
    let (joined_at, messages) = subscribed.map_err(Refusal::Subscribe)?;
    // Join, then ask, as on one node.
    let permitted = gateway.permissions.permit(&agent, latency);
    if !setup.run(permitted).await? {
        // `Err` if the `DELETE` has closed it.
        let _: Result<(), Closed> = setup.close(CloseReason::Rejected);
        return Err(Problem::Forbidden);
    }
    let mut live = setup.go_live()?;
    live.present(&key).await?;
    let messages = told(messages, joined_at, live.handle());
    Ok(gateway.events(live, messages))
}

/// The messages, until the agent is deleted.
fn told(
    messages: Subscription<Message>,
    joined_at: Cursor,
    connection: Handle,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let messages = messages.for_connection(connection.clone());
    let told = messages.scan((), move |(), message| {
        let told = match message {
            Err(gap) => Some(Some(gap_event(gap))),
            Ok(message) => match &*message {
                Message::Output(event) => Some(Some(event.clone())),
                Message::Deleted if is_after(message.cursor(), joined_at) => {
                    // `Err` if it has closed already.
                    let _: Result<(), Closed> = connection.close(DELETED);
                    None
                }
                Message::Deleted | Message::Revoked(_) | Message::Unknown => Some(None),
            },
        };
        ready(told)
    });
    told.filter_map(ready)
}

fn is_after(cursor: Cursor, other: Cursor) -> bool {
    cursor.incarnation() != other.incarnation() || cursor.number() > other.number()
}

/// A client that comes back after it was told is not told again.
fn gap_event(gap: Gap) -> Bytes {
    let event = SseEvent::new("gap").id(gap.resume);
    event.data(&gap.to_string()).into_bytes()
}

pub(super) async fn send_message(
    State(member): State<Member>,
    AgentId(agent): AgentId,
    Timely(data): Timely<String>,
) -> Result<Json<Value>, Problem> {
    let key = key(&member, &agent)?;
    let topic = key.topic();
    let published = member.messages.publish(&topic, message::output(&data));
    let id = published.await.map_err(Refusal::from)?;
    // It is published, whether they can be counted or not.
    let streams = member.cluster.count(&key).await.ok();
    Ok(Json(json!({ "id": id.to_string(), "streams": streams })))
}

pub(super) async fn agent(
    State(member): State<Member>,
    AgentId(agent): AgentId,
) -> Result<Json<Value>, Problem> {
    let key = key(&member, &agent)?;
    match member.cluster.count(&key).await.map_err(Refusal::from)? {
        // Each node remembers its own streams.
        0 => Err(match member.gateway.agents.last_close(&agent) {
            Some(closed) => Problem::Gone(closed),
            None => Problem::NoAgent,
        }),
        streams => Ok(Json(json!({ "streams": streams }))),
    }
}

/// Each stream gets what was accepted before, and then it ends, on whichever node it is.
pub(super) async fn delete(
    State(member): State<Member>,
    AgentId(agent): AgentId,
) -> Result<Json<Value>, Problem> {
    let key = key(&member, &agent)?;
    member.gateway.permissions.revoke(&agent);
    let streams = member.cluster.count(&key).await.map_err(Refusal::from)?;
    for (topic, item) in [
        (key.topic(), message::deleted()),
        // After it: a node that hears of this closes what it still has at once.
        (revocations(), message::revoked(&agent)),
    ] {
        let published = member.messages.publish(&topic, item).await;
        published.map_err(Refusal::from)?;
    }
    Ok(Json(json!({ "closed": streams })))
}

fn key(member: &Member, agent: &str) -> Result<ClusterKey, Problem> {
    Ok(member.cluster.key("agent", agent).map_err(Refusal::from)?)
}

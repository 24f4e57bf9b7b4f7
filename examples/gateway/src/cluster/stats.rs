//! What a node says of itself, and of all.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::super::stats;
use super::member::Member;
use super::refusal::Refusal;

#[derive(Deserialize)]
pub(crate) struct StatsQuery {
    nodes: Option<String>,
}

/// This node, or with `nodes=all` each node, and the sum.
pub(crate) async fn stats(
    State(member): State<Member>,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(StatsQuery { nodes }) = query?;
    match nodes.as_deref() {
        None => Ok(Json(of_this(&member))),
        Some("all") => of_all(&member).await,
        Some(other) => {
            let problem = format!("`nodes` is `all`, not `{other}`");
            Err(Problem::BadRequest(problem))
        }
    }
}

fn of_this(member: &Member) -> Value {
    let mut stats = stats::of(&member.gateway);
    stats["node"] = member.cluster.name().into();
    stats["session"] = member.cluster.session().into();
    stats["has_lease"] = member.cluster.has_lease().into();
    stats["claims"] = member.cluster.claims().into();
    stats
}

async fn of_all(member: &Member) -> Result<Json<Value>, Problem> {
    let (mut nodes, mut sum) = (Vec::new(), json!({}));
    let this = member.cluster.session();
    for node in member.cluster.nodes().await.map_err(Refusal::from)? {
        let stats = match node.session == this {
            true => stats::numbers(&member.gateway),
            // As it was at its latest renewal. `null` if it is of another version.
            false => serde_json::from_str(&node.note).unwrap_or_default(),
        };
        add(&mut sum, &stats);
        nodes.push(json!({
            "node": node.name,
            "session": node.session,
            "draining": node.draining,
            "stats": stats,
        }));
    }
    Ok(Json(json!({ "nodes": nodes, "sum": sum })))
}

/// Adds each number to the one at its place.
fn add(sum: &mut Value, other: &Value) {
    match other {
        Value::Number(number) => {
            let numbers = [sum.as_u64(), number.as_u64()];
            *sum = numbers.into_iter().flatten().sum::<u64>().into();
        }
        Value::Object(members) => {
            if !sum.is_object() {
                *sum = Map::new().into();
            }
            for (name, member) in members {
                add(&mut sum[name], member);
            }
        }
        _ => {}
    }
}

/// Whether a balancer is to send clients to this node.
pub(crate) async fn health(State(member): State<Member>) -> (StatusCode, Json<Value>) {
    let has_lease = member.cluster.has_lease();
    let draining = member.gateway.scope.is_draining();
    let status = match has_lease && !draining {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let health = json!({ "has_lease": has_lease, "draining": draining });
    (status, Json(health))
}

//! What `/stats` shows.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Gateway;

pub(crate) async fn stats(State(gateway): State<Gateway>) -> Json<Value> {
    Json(of(&gateway))
}

/// The stats of this gateway.
pub(crate) fn of(gateway: &Gateway) -> Value {
    let mut stats = numbers(gateway);
    stats["router"] = json!(gateway.router.states());
    stats
}

/// Those that do not grow with the number of workers.
pub(crate) fn numbers(gateway: &Gateway) -> Value {
    let stats = gateway.scope.stats();
    let mut closed = BTreeMap::<String, u64>::new();
    for (how, count) in &stats.closed {
        *closed.entry(how.reason.to_string()).or_default() += count;
    }
    json!({
        "pending": stats.pending,
        "registering": stats.registering,
        "live": stats.live,
        "settling": stats.settling,
        "closed": closed,
        "workers": gateway.workers.len(),
        "agents": gateway.agents.len(),
        "undos_run": stats.undos_run,
        "undos_abandoned": stats.undos_abandoned,
        "timers": gateway.timers.count(),
        "bridges": gateway.bridges.count(),
    })
}

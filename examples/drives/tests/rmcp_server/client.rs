//! The clients.

use std::net::SocketAddr;

use hangup_drives::http::{Response, request};
use hangup_drives::sse::Curl;
use hangup_drives::{Ending, Plan};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Progress that is larger than what the kernel keeps for a client that does not read.
const FILL: [usize; 2] = [400, 64 * 1024];
pub(crate) const HEADERS: &str =
    "content-type: application/json\r\naccept: application/json, text/event-stream\r\n";
const SESSION: &str = "mcp-session-id";

/// How many sessions the server counts. `u64::MAX` if it counts in several ways, and they do not
/// agree.
pub(crate) async fn sessions(addr: SocketAddr) -> u64 {
    let response = request(addr, "GET", "/sessions", "", "").await.unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    match serde_json::from_str(&response.body).unwrap() {
        Value::Object(counts) => {
            let counts: Vec<_> = counts.values().map(Value::as_u64).collect();
            let agree = counts.windows(2).all(|two| two[0] == two[1]);
            counts[0].filter(|_| agree).unwrap_or(u64::MAX)
        }
        number => number.as_u64().unwrap(),
    }
}

/// The goodbye of MCP is the end of the stream.
pub(crate) fn ending(curl: &Curl) -> Ending {
    match curl.ending() {
        Ending::Complete => Ending::Goodbye,
        other => other,
    }
}

/// One client after the other, each gone at a random moment, with its runtime: no task of it is
/// left that could end the session.
pub(crate) fn come_and_vanish(addr: SocketAddr, plan: Plan, number: u64) {
    let mut dice = plan.dice(number);
    for _ in 0..plan.lives {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        // It lives for so long, or until it has counted down.
        drop(runtime.block_on(async { timeout(dice.life(), live(addr)).await }));
        runtime.shutdown_background();
    }
}

pub(crate) async fn live(addr: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let transport = StreamableHttpClientTransport::from_uri(format!("http://{addr}/mcp"));
    let client = ().serve(transport).await?;
    let Value::Object(arguments) = arguments(100, 1, "hello") else {
        unreachable!("it is an object");
    };
    let call = CallToolRequestParams::new("count_down").with_arguments(arguments);
    client.call_tool(call).await?;
    Ok(())
}

/// What `count_down` is called with.
fn arguments(from: usize, every_ms: u64, text: &str) -> Value {
    json!({ "from": from, "every_ms": every_ms, "text": text })
}

/// `initialize` and `notifications/initialized`.
pub(crate) fn messages() -> (String, String) {
    let client = json!({ "name": "drive", "version": "0" });
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    (initialize.to_string(), initialized.to_string())
}

/// The answer to a request for a session.
pub(crate) async fn initialize(addr: SocketAddr) -> Response {
    let (initialize, _) = messages();
    let response = request(addr, "POST", "/mcp", HEADERS, &initialize).await;
    response.unwrap()
}

/// A session, as the header that names it.
pub(crate) async fn session(addr: SocketAddr) -> String {
    let (_, initialized) = messages();
    let response = initialize(addr).await;
    assert_eq!(response.status, 200, "{response:?}");
    let id = response.header(SESSION).expect("a session has an id");
    let session = format!("{SESSION}: {id}");
    let headers = format!("{HEADERS}{session}\r\n");
    let response = request(addr, "POST", "/mcp", &headers, &initialized)
        .await
        .unwrap();
    assert_eq!(response.status, 202, "{response:?}");
    session
}

/// The status of the answer to a `ping` in `session`.
pub(crate) async fn ping(addr: SocketAddr, session: &str) -> u16 {
    let ping = json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" });
    post(addr, session, &ping).await
}

/// The status of the answer to a message in `session` that nothing is streamed for.
pub(crate) async fn notify(addr: SocketAddr, session: &str) -> u16 {
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });
    post(addr, session, &cancelled).await
}

async fn post(addr: SocketAddr, session: &str, message: &Value) -> u16 {
    let headers = format!("{HEADERS}{session}\r\n");
    let message = message.to_string();
    let response = request(addr, "POST", "/mcp", &headers, &message).await;
    response.unwrap().status
}

/// The status of the answer to the end of `session`.
pub(crate) async fn delete(addr: SocketAddr, session: &str) -> u16 {
    let response = request(addr, "DELETE", "/mcp", &format!("{session}\r\n"), "").await;
    response.unwrap().status
}

/// A session whose client reads what the server sends by itself.
pub(crate) async fn listen(addr: SocketAddr) -> Curl {
    let session = session(addr).await;
    let options = [
        "--header",
        "accept: text/event-stream",
        "--header",
        &session,
    ];
    let curl = Curl::start(addr, "/mcp", &options).unwrap();
    curl.is_open().await;
    curl
}

/// A session whose client reads the progress of a long call.
pub(crate) async fn count_down(addr: SocketAddr) -> Curl {
    count_down_in(addr).await.0
}

/// The same, and its session.
pub(crate) async fn count_down_in(addr: SocketAddr) -> (Curl, String) {
    let session = session(addr).await;
    let [steps, size] = FILL;
    let arguments = arguments(steps, 0, &"x".repeat(size));
    let params =
        json!({ "name": "count_down", "arguments": arguments, "_meta": { "progressToken": 1 } });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
    let mut options = vec!["--header", &session, "--data"];
    let call = call.to_string();
    options.push(&call);
    for header in HEADERS.lines() {
        options.extend(["--header", header]);
    }
    let curl = Curl::start(addr, "/mcp", &options).unwrap();
    curl.is_open().await;
    (curl, session)
}

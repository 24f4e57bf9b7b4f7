//! The MCP server on rmcp. The clients that vanish are rmcp's; the streams that are looked at are
//! read by `curl`, since rmcp's client opens them again by itself.

use std::net::SocketAddr;
use std::path::Path;

use hangup_drives::http::{Late, count, count_becomes, request};
use hangup_drives::server::refuses;
use hangup_drives::sse::Curl;
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, Report, Server, build};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Progress that is larger than what the kernel keeps for a client that does not read.
const FILL: [usize; 2] = [400, 64 * 1024];
const HEADERS: &str =
    "content-type: application/json\r\naccept: application/json, text/event-stream\r\n";
const SESSION: &str = "mcp-session-id";

/// It counts clients that have gone until their sessions have been idle for five minutes. It ends
/// its streams, as MCP has it, but waits for ever for the client that has stopped reading. A late
/// client is told that the server is broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let report = drive(&build("rmcp-server-plain"), plan).await;
    println!("{report:?}");
    let unmet = [
        Demand::CountsRight,
        Demand::ExitsInTime,
        Demand::RefusesLate,
    ];
    assert_eq!(report.unmet(), unmet, "{report:?}");
    assert_eq!(report.exit, Exit::Overdue);
    assert_eq!(report.endings, vec![Ending::Goodbye; plan.readers]);
    let broken = "http/1.1 500 internal server error".to_owned();
    assert_eq!(report.late, Answer::Other(broken));
}

/// With the layer it ends, and refuses the late client. The sessions stay rmcp's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let report = drive(&build("rmcp-server"), Plan::default()).await;
    println!("{report:?}");
    assert_eq!(report.unmet(), [Demand::CountsRight], "{report:?}");
}

async fn drive(binary: &Path, plan: Plan) -> Report {
    let mut server = Server::start(binary, plan.drain).await.unwrap();
    let addr = server.addr;
    let sessions = || count(addr, "/sessions");

    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn_blocking(move || come_and_vanish(addr, plan, number));
    }
    clients.join_all().await;
    let mut left = count_becomes(0, plan.gone, sessions).await;
    if left == 0 {
        let mut dice = plan.dice(plan.clients);
        for _ in 0..plan.readers {
            let curl = listen(addr).await;
            sleep(dice.life()).await;
            curl.kill().unwrap();
        }
        left = count_becomes(0, plan.gone, sessions).await;
    }

    let mut readers = Vec::new();
    for _ in 0..plan.readers {
        readers.push(listen(addr).await);
    }
    let stopped = count_down(addr).await;
    stopped.stop();
    let counted = count_becomes(plan.everyone(), plan.gone, sessions).await;
    server.is_stalled().await;

    let (initialize, _) = messages();
    let headers = format!("{HEADERS}content-length: {}\r\n", initialize.len());
    let late = Late::begin(addr, "POST", "/mcp", &headers, &initialize)
        .await
        .unwrap();
    let endings = || readers.iter().map(ending).collect::<Vec<_>>();
    let mut terminated = server.terminate();
    terminated.under_way(&endings, refuses(addr)).await;
    let late = late.finish(200, terminated.deadline).await;
    let exit = terminated.exit().await.unwrap();
    let endings = terminated.endings(endings).await;
    Report {
        left,
        counted,
        exit,
        endings,
        late,
    }
}

/// The goodbye of MCP is the end of the stream.
fn ending(curl: &Curl) -> Ending {
    match curl.ending() {
        Ending::Complete => Ending::Goodbye,
        other => other,
    }
}

/// One client after the other, each gone at a random moment, with its runtime: no task of it is
/// left that could end the session.
fn come_and_vanish(addr: SocketAddr, plan: Plan, number: u64) {
    let mut dice = plan.dice(number);
    for _ in 0..plan.lives {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        // It lives for so long, or until it has counted down.
        drop(runtime.block_on(async { timeout(dice.life(), live(addr)).await }));
        runtime.shutdown_background();
    }
}

async fn live(addr: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
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
fn messages() -> (String, String) {
    let client = json!({ "name": "drive", "version": "0" });
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    (initialize.to_string(), initialized.to_string())
}

/// A session, as the header that names it.
async fn session(addr: SocketAddr) -> String {
    let (initialize, initialized) = messages();
    let response = request(addr, "POST", "/mcp", HEADERS, &initialize)
        .await
        .unwrap();
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

/// A session whose client reads what the server sends by itself.
async fn listen(addr: SocketAddr) -> Curl {
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
async fn count_down(addr: SocketAddr) -> Curl {
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
    curl
}

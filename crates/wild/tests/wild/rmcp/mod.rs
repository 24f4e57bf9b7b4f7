//! The sessions of rmcp over streamable HTTP.

mod bare;
mod restore;
mod resume;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::SessionManager;
use serde_json::{Value, json};

const SESSION: &str = "mcp-session-id";

type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "ada", "version": "1" },
    })
}

async fn post<S, M>(
    service: &StreamableHttpService<S, M>,
    session: Option<&str>,
    message: Value,
) -> Answer
where
    S: ServerHandler + Send + 'static,
    M: SessionManager,
{
    let mut request = Request::post("http://localhost/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if let Some(session) = session {
        request = request.header(SESSION, session);
    }
    let body = Full::new(Bytes::from(message.to_string()));
    service.handle(request.body(body).unwrap()).await
}

async fn get<S, M>(
    service: &StreamableHttpService<S, M>,
    session: &str,
    last_event: Option<&str>,
) -> Answer
where
    S: ServerHandler + Send + 'static,
    M: SessionManager,
{
    let mut request = Request::get("http://localhost/mcp")
        .header("host", "localhost")
        .header("accept", "text/event-stream")
        .header(SESSION, session);
    if let Some(last_event) = last_event {
        request = request.header("last-event-id", last_event);
    }
    let body = Full::new(Bytes::new());
    service.handle(request.body(body).unwrap()).await
}

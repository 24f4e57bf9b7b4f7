//! What operators see: the console and the metrics.

use serde_json::Value;
use tokio::time::timeout;

use super::{Client, Gateway, SOON, Settings};

async fn with_console() -> Gateway {
    let settings = Settings {
        console: true,
        ..Settings::default()
    };
    Gateway::start_with(settings).await
}

async fn answer(gateway: &Gateway, path: &str, host: &str) -> String {
    let headers = format!("Host: {host}\r\nConnection: close\r\n");
    let mut client = Client::send_to(gateway.addr, path, &headers).await;
    timeout(SOON, client.rest()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_shows_who_is_connected_and_ends_with_the_drain() {
    let gateway = with_console().await;
    let mut worker = gateway.open("/worker/stream?name=ada").await;
    worker.expect("event: connected").await;
    let mut agent = gateway.open("/agents/7/events").await;
    agent.expect("event: connected").await;
    let mut page = gateway.open("/console/events?sort=label").await;
    page.expect("event: view").await;
    page.expect("\n\n").await;
    let view = page.received.lines();
    let mut view = view.filter_map(|line| line.strip_prefix("data: {\"at\""));
    let view: Value =
        serde_json::from_str(&format!("{{\"at\"{}", view.next_back().unwrap())).unwrap();
    let rows = &view["rows"];
    assert_eq!(
        (&rows[0]["label"], &rows[1]["label"]),
        (&"agent 7".into(), &"worker ada".into())
    );
    assert_eq!(rows[1]["keys"][0]["registry"], "workers");
    assert_eq!(rows[1]["undos"][0], "stop ada");
    assert!(rows[0]["age_ms"].is_u64());
    let Gateway {
        interrupt, served, ..
    } = gateway;
    interrupt.send(()).unwrap();
    page.expect("event: closed").await;
    timeout(SOON, served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_is_for_this_machine_and_only_if_it_is_asked_for() {
    let gateway = with_console().await;
    let addr = gateway.addr.to_string();
    let port = gateway.addr.port();
    for host in [
        addr.clone(),
        format!("localhost:{port}"),
        "localhost".to_owned(),
    ] {
        let page = answer(&gateway, "/console", &host).await;
        assert!(
            page.starts_with("HTTP/1.1 200") && page.contains("<h1>gateway</h1>"),
            "{page}"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "",
    ] {
        let page = answer(&gateway, "/console", host).await;
        assert!(page.starts_with("HTTP/1.1 403"), "{host}: {page}");
    }
    let gateway = Gateway::start().await;
    let (status, _) = gateway.get("/console").await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_is_told_what_was_opened() {
    let gateway = Gateway::start().await;
    let mut worker = gateway.open("/worker/stream?name=ada").await;
    worker.expect("event: connected").await;
    let metrics = answer(&gateway, "/metrics", "here").await;
    let opened = metrics
        .lines()
        .find_map(|line| line.strip_prefix("hangup_opened_total{scope=\"gateway\"} "));
    // The recorder is that of the process, and other tests have opened connections too.
    assert!(opened.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");
}

//! The gateway end to end: real sockets, and clients that vanish at any moment.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

#[expect(dead_code, reason = "its `main` is for the command line")]
#[path = "../src/main.rs"]
mod gateway;
mod client;
mod operator;

use client::{Client, SOON};
use gateway::settings::Settings;

struct Gateway {
    addr: SocketAddr,
    interrupt: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    async fn start_with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (interrupt, interrupted) = oneshot::channel::<()>();
        let shutdown = async {
            // The end of the test interrupts as well.
            drop(interrupted.await);
        };
        let served =
            tokio::spawn(async move { gateway::serve(listener, &settings, shutdown).await });
        Self {
            addr,
            interrupt,
            served,
        }
    }

    async fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let mut client = Client::send(self.addr, method, path, body).await;
        let response = timeout(SOON, client.rest()).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, b"").await
    }

    async fn stats(&self) -> Value {
        self.get("/stats").await.1
    }

    async fn open(&self, path: &str) -> Client {
        Client::send(self.addr, "GET", path, b"").await
    }

    /// Looks at the stats until they are as they should be.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let stats = self.stats().await;
            if holds(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "not {what}: {stats:#}");
            // Only to leave the processor to the server.
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_empty(&self) -> Value {
        let none = [
            "pending",
            "registering",
            "live",
            "settling",
            "workers",
            "agents",
            "timers",
            "bridges",
        ];
        self.until("empty", |stats| none.iter().all(|count| stats[count] == 0))
            .await
    }
}

#[derive(Clone, Copy)]
enum Death {
    Close,
    Reset,
}

impl Death {
    fn of(self, client: Client) {
        match self {
            Self::Close => drop(client),
            Self::Reset => client.reset(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_workers_that_vanish_at_any_moment() {
    const CLIENTS: u64 = 200;
    let gateway = Gateway::start().await;
    let mut lives = tokio::task::JoinSet::new();
    for i in 0..CLIENTS {
        let setup_ms = i * 7 % 60;
        // Three set-up steps: some die in each, some before, some after.
        let age = Duration::from_millis(i * 13 % 200);
        let death = if i % 2 == 0 {
            Death::Close
        } else {
            Death::Reset
        };
        let path = format!("/worker/stream?name=w{}&setup_ms={setup_ms}", i % 20);
        let client = gateway.open(&path).await;
        lives.spawn(async move {
            // The moment of death; nothing waits for it.
            sleep(age).await;
            death.of(client);
        });
    }
    lives.join_all().await;
    let stats = gateway.until_empty().await;
    assert_eq!(stats["router"], json!({}));
    let closed = stats["closed"].as_object().unwrap();
    let total: u64 = closed.values().map(|n| n.as_u64().unwrap()).sum();
    // One that is reset before it was accepted was never here.
    assert!((CLIENTS / 2..=CLIENTS).contains(&total), "{stats:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_worker_that_vanishes_in_mid_set_up() {
    for death in [Death::Close, Death::Reset] {
        let gateway = Gateway::start().await;
        let client = gateway.open("/worker/stream?name=ada&setup_ms=10000").await;
        gateway
            .until("in set-up", |stats| stats["registering"] == 1)
            .await;
        death.of(client);
        let stats = gateway.until_empty().await;
        assert_eq!(stats["closed"], json!({ "dropped": 1 }));
        assert_eq!(stats["undos_run"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_live_worker_that_vanishes() {
    for death in [Death::Close, Death::Reset] {
        let gateway = Gateway::start().await;
        let mut client = gateway.open("/worker/stream?name=ada").await;
        client.expect("event: connected\n").await;
        let stats = gateway.stats().await;
        assert_eq!((&stats["live"], &stats["workers"]), (&json!(1), &json!(1)));
        assert_eq!(stats["router"], json!({ "ada": "running" }));
        death.of(client);
        let stats = gateway.until_empty().await;
        assert_eq!(stats["closed"], json!({ "dropped": 1 }));
        assert_eq!(stats["router"], json!({}));
        assert_eq!(stats["undos_run"], 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconnect_stays_live_in_any_overlap_with_the_end_of_the_old_one() {
    const ROUNDS: u64 = 40;
    let gateway = Gateway::start().await;
    for round in 0..ROUNDS {
        let path = format!("/worker/stream?name=ada&setup_ms={}", round % 4);
        let mut old = gateway.open(&path).await;
        if round % 3 > 0 {
            old.expect("event: connected\n").await;
        } else {
            // Else the server may see the new one first.
            let seen = |stats: &Value| stats["registering"] == 1 || stats["live"] == 1;
            gateway.until("seen", seen).await;
        }
        let death = if round % 2 == 0 {
            Death::Close
        } else {
            Death::Reset
        };
        let mut new = if round % 5 < 2 {
            death.of(old);
            gateway.open(&path).await
        } else {
            let new = gateway.open(&path).await;
            // The moment of death; nothing waits for it.
            sleep(Duration::from_millis(round % 16)).await;
            death.of(old);
            new
        };
        new.expect("event: connected\n").await;
        let alone = |stats: &Value| {
            stats["live"] == 1 && stats["registering"] == 0 && stats["settling"] == 0
        };
        let stats = gateway.until("alone", alone).await;
        assert_eq!(stats["workers"], 1, "round {round}: {stats:#}");
        assert_eq!(
            stats["router"],
            json!({ "ada": "running" }),
            "round {round}"
        );
        assert!(!new.received.contains("closed"));
        drop(new);
        let stats = gateway.until_empty().await;
        assert_eq!(stats["router"], json!({}), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_stream_of_a_name_ends_with_its_farewell() {
    let gateway = Gateway::start().await;
    let mut old = gateway.open("/worker/stream?name=ada").await;
    old.expect("event: connected\n").await;
    let mut new = gateway.open("/worker/stream?name=ada").await;
    new.expect("event: connected\n").await;
    old.expect("event: closed\ndata: superseded\n\n").await;
    old.rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_share_a_key_up_to_the_cap_and_get_every_message() {
    let gateway = Gateway::start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = gateway.open("/agents/7/events").await;
        client.expect("event: connected\n").await;
        clients.push(client);
    }
    let (status, error) = gateway.get("/agents/7/events").await;
    assert_eq!(
        (status, error),
        (429, json!({ "error": "the key is full" }))
    );
    let mut other = gateway.open("/agents/8/events").await;
    other.expect("event: connected\n").await;

    let (status, sent) = gateway
        .request("POST", "/agents/7/messages", b"one\r\ntwo")
        .await;
    assert_eq!((status, &sent["streams"]), (200, &json!(5)));
    let id = sent["id"].as_str().unwrap();
    let message = format!("event: output\ndata: one\ndata: two\nid: {id}\n\n");
    for client in &mut clients {
        client.expect(&message).await;
    }

    let (status, closed) = gateway.request("DELETE", "/agents/7", b"").await;
    assert_eq!((status, closed), (200, json!({ "closed": 5 })));
    for client in &mut clients {
        client.expect("event: closed\ndata: app(1)\n\n").await;
        client.rest().await;
    }
    let (_, sent) = gateway.request("POST", "/agents/7/messages", b"late").await;
    assert_eq!(sent["streams"], 0);
    assert!(!other.received.contains("output"));
    let stats = gateway.stats().await;
    assert_eq!((&stats["live"], &stats["agents"]), (&json!(1), &json!(1)));
    drop(other);
    gateway.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_goes_on_where_it_was() {
    let gateway = Gateway::start().await;
    let mut ids = Vec::new();
    for message in ["one", "two", "three"] {
        let path = "/agents/7/messages";
        let (_, sent) = gateway.request("POST", path, message.as_bytes()).await;
        ids.push(sent["id"].as_str().unwrap().to_owned());
    }
    let event = |number: usize| {
        let message = ["one", "two", "three"][number];
        format!("event: output\ndata: {message}\nid: {}\n\n", ids[number])
    };
    // What was sent before the first connect, and by the id of the last event what came after.
    let mut first = gateway.open("/agents/7/events").await;
    first.expect(&event(0)).await;
    let path = format!("/agents/7/events?last_event_id={}", ids[0]);
    let mut by_query = gateway.open(&path).await;
    let header = format!("Last-Event-ID: {}\r\n", ids[0]);
    let mut by_header = Client::send_with(gateway.addr, "/agents/7/events", &header).await;
    for client in [&mut first, &mut by_query, &mut by_header] {
        client.expect(&event(1)).await;
        client.expect(&event(2)).await;
    }
    for client in [&by_query, &by_header] {
        assert!(!client.received.contains("data: one"));
    }
    // An id of an earlier life of the server is a gap, and garbage is the beginning.
    let path = "/agents/7/events?last_event_id=000000000000002a-17";
    let mut restarted = gateway.open(path).await;
    restarted.expect("event: gap\nid: ").await;
    restarted.expect(&event(0)).await;
    let mut garbage = gateway.open("/agents/7/events?last_event_id=x").await;
    garbage.expect(&event(0)).await;
    assert!(!garbage.received.contains("gap"));
}

/// Every stream gets what was accepted before the `DELETE`, however slowly it reads, and then
/// `closed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_ends_a_stream_after_what_it_had_accepted() {
    let gateway = Gateway::start().await;
    let mut slow = gateway.open("/agents/7/events").await;
    slow.expect("event: connected\n").await;
    let message = vec![b'x'; 1 << 16];
    for _ in 0..50 {
        let (status, _) = gateway
            .request("POST", "/agents/7/messages", &message)
            .await;
        assert_eq!(status, 200);
    }
    let (_, closed) = gateway.request("DELETE", "/agents/7", b"").await;
    assert_eq!(closed, json!({ "closed": 1 }));
    // Its place is free, although it has not read them.
    let stats = gateway.stats().await;
    assert_eq!((&stats["live"], &stats["settling"]), (&json!(0), &json!(0)));
    let rest = slow.rest().await;
    assert_eq!(rest.matches("event: output\n").count(), 50);
    assert_eq!(rest.matches("event: closed\ndata: app(1)\n\n").count(), 1);
    // Nothing of it is replayed.
    let mut late = gateway.open("/agents/7/events").await;
    late.expect("event: connected\n").await;
    gateway.request("POST", "/agents/7/messages", b"new").await;
    late.expect("data: new\n").await;
    assert!(!late.received.contains("xxx"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_an_agent_that_is_gone_is_told_why() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/agents/7").await.0, 404);
    let mut agent = gateway.open("/agents/7/events").await;
    agent.expect("event: connected\n").await;
    assert_eq!(
        gateway.get("/agents/7").await,
        (200, json!({ "streams": 1 }))
    );
    gateway.request("DELETE", "/agents/7", b"").await;
    let gone = json!({ "error": "the agent is gone: connection closed while live: app(1)" });
    assert_eq!(gateway.get("/agents/7").await, (410, gone));
    assert_eq!(gateway.get("/agents/8").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_admits_as_many_as_it_is_told_and_those_after_them_later() {
    let gateway = Gateway::start_with(Settings {
        max_connections: 2,
        ..Settings::default()
    })
    .await;
    let mut agent = gateway.open("/agents/7/events").await;
    agent.expect("event: connected\n").await;
    // One in set-up counts as well.
    let worker = gateway.open("/worker/stream?name=ada&setup_ms=10000").await;
    gateway
        .until("in set-up", |stats| stats["registering"] == 1)
        .await;
    let full = json!({ "error": "the server is full" });
    for path in ["/agents/8/events", "/worker/stream?name=bob"] {
        assert_eq!(gateway.get(path).await, (503, full.clone()));
    }
    drop(worker);
    gateway
        .until("gone", |stats| {
            stats["registering"] == 0 && stats["settling"] == 0
        })
        .await;
    let mut late = gateway.open("/agents/8/events").await;
    late.expect("event: connected\n").await;
}

/// Such a request would do the set-up, and supersede who is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_opens_no_stream() {
    let gateway = Gateway::start().await;
    let mut worker = gateway.open("/worker/stream?name=ada").await;
    worker.expect("event: connected\n").await;
    for path in ["/worker/stream?name=ada", "/agents/7/events", "/mcp"] {
        let mut head = Client::send(gateway.addr, "HEAD", path, b"").await;
        head.expect("405 Method Not Allowed").await;
    }
    let stats = gateway.stats().await;
    assert_eq!((&stats["live"], &stats["closed"]), (&json!(1), &json!({})));
    assert_eq!(stats["router"], json!({ "ada": "running" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_is_refused_is_told_exactly_what_its_route_allows() {
    let gateway = Gateway::start().await;
    let routes = [
        ("/worker/stream?name=ada", "GET"),
        ("/agents/7/events", "GET"),
        ("/agents/7/messages", "POST"),
        ("/agents/7", "GET,HEAD,DELETE"),
        ("/mcp", "GET,DELETE"),
        ("/upstream?count=0", "GET,HEAD"),
        ("/stats", "GET,HEAD"),
    ];
    for (path, allow) in routes {
        let header = format!("\r\nallow: {allow}\r\n");
        for method in ["HEAD", "POST", "DELETE", "PUT", "OPTIONS"] {
            if allow.split(',').any(|allowed| allowed == method) {
                continue;
            }
            let mut client = Client::send(gateway.addr, method, path, b"").await;
            let answer = timeout(SOON, client.rest()).await.unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 405 "),
                "{method} {path}: {answer}"
            );
            assert!(answer.contains(&header), "{method} {path}: {answer}");
        }
    }
}

/// A drain that takes longer than any machine is busy, if it waits for what does not end.
fn patient() -> Settings {
    Settings {
        drain: SOON * 3,
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_every_stream_with_its_farewell_and_every_set_up() {
    let gateway = Gateway::start_with(patient()).await;
    let mut worker = gateway.open("/worker/stream?name=ada").await;
    worker.expect("event: connected\n").await;
    let mut agent = gateway.open("/agents/7/events").await;
    agent.expect("event: connected\n").await;
    let mut setup = gateway.open("/worker/stream?name=bob&setup_ms=10000").await;
    gateway
        .until("in set-up", |stats| stats["registering"] == 1)
        .await;

    gateway.interrupt.send(()).unwrap();
    let interrupted = Instant::now();
    for client in [&mut worker, &mut agent] {
        client
            .expect("event: closed\ndata: shutdown\nretry: ")
            .await;
    }
    setup.expect("503 Service Unavailable").await;
    gateway.served.await.unwrap().unwrap();
    assert!(interrupted.elapsed() < SOON);
}

/// It never reads, so its farewell never leaves; the server goes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_does_not_wait_for_a_client_that_does_not_read() {
    let gateway = Gateway::start_with(patient()).await;
    let _deaf = gateway.open("/agents/7/events").await;
    gateway.until("live", |stats| stats["agents"] == 1).await;
    let big = vec![b'x'; 1 << 20];
    for _ in 0..16 {
        gateway.request("POST", "/agents/7/messages", &big).await;
    }
    gateway.interrupt.send(()).unwrap();
    let interrupted = Instant::now();
    gateway.served.await.unwrap().unwrap();
    assert!(interrupted.elapsed() < SOON);
}

/// A patience that a test can wait for.
fn impatient() -> Settings {
    Settings {
        request: Duration::from_millis(200),
        heartbeat: Duration::from_millis(50),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_does_not_stay() {
    let gateway = Gateway::start_with(impatient()).await;
    let halves = [
        "",
        "GET /stats HTTP/1.1\r\nhost: x\r\n",
        // Whole, and no other follows.
        "GET /stats HTTP/1.1\r\nhost: x\r\n\r\n",
        // Its route does not ask for the body.
        "GET /stats HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhel",
    ];
    for half in halves {
        let mut socket = TcpStream::connect(gateway.addr).await.unwrap();
        socket.write_all(half.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(SOON, socket.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
    }
    let mut socket = TcpStream::connect(gateway.addr).await.unwrap();
    let half = "POST /agents/7/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhel";
    socket.write_all(half.as_bytes()).await.unwrap();
    let mut rest = String::new();
    timeout(SOON, socket.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
}

/// Else clients that send nothing fill its memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_too_many_wait_until_another_has_gone() {
    let settings = Settings {
        max_connections: 0,
        request: Duration::from_secs(1),
        ..Settings::default()
    };
    let (sockets, patience) = (settings.max_sockets(), settings.request);
    let gateway = Gateway::start_with(settings).await;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..sockets {
        silent.push(TcpStream::connect(gateway.addr).await.unwrap());
    }
    gateway.stats().await;
    // It was not accepted before one of them had been given up.
    assert!(begun.elapsed() >= patience);
}

/// The limits are about requests, not about what is streamed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_may_last_longer_than_a_request() {
    let gateway = Gateway::start_with(impatient()).await;
    let begun = Instant::now();
    let mut agent = gateway.open("/agents/7/events").await;
    while begun.elapsed() < 3 * impatient().request {
        agent.expect(": still here\n\n").await;
        agent.received.clear();
    }
    assert_eq!(gateway.stats().await["live"], 1);
}

/// Else a client fills its memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_of_a_name() {
    let gateway = Gateway::start().await;
    for n in 0..50 {
        let mut worker = gateway.open(&format!("/worker/stream?name=w{n}")).await;
        worker.expect("event: connected\n").await;
    }
    let stats = gateway.until_empty().await;
    assert_eq!(stats["router"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_takes_names_of_200_bytes_and_refuses_longer_ones() {
    let gateway = Gateway::start().await;
    let (longest, long) = ("x".repeat(200), "x".repeat(201));
    let routes = [
        ("GET", "/worker/stream?name=NAME"),
        ("GET", "/agents/NAME/events"),
        ("POST", "/agents/NAME/messages"),
        ("GET", "/agents/NAME"),
        ("DELETE", "/agents/NAME"),
    ];
    for (method, route) in routes {
        let (status, answer) = gateway
            .request(method, &route.replace("NAME", &long), b"")
            .await;
        assert_eq!(status, 400, "{method} {route}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.ends_with("has over 200 bytes"), "{error}");
        let path = route.replace("NAME", &longest);
        let mut client = Client::send(gateway.addr, method, &path, b"").await;
        client.expect("\r\n").await;
        assert!(!client.received.contains(" 400 "), "{}", client.received);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_permitted_agents_stream_until_they_are_deleted() {
    const ROUNDS: usize = 20;
    let agents = (0..ROUNDS).map(|n| n.to_string());
    let gateway = Gateway::start_with(Settings {
        agents: Some(agents.collect()),
        ..Settings::default()
    })
    .await;
    assert_eq!(gateway.get("/agents/other/events").await.0, 403);
    for agent in 0..ROUNDS {
        let path = format!("/agents/{agent}/events");
        let mut first = gateway.open(&path).await;
        first.expect("event: connected\n").await;
        // They race with the `DELETE`.
        let opening = [0; 4].map(|_| gateway.open(&path));
        let agent = format!("/agents/{agent}");
        let delete = gateway.request("DELETE", &agent, b"");
        let (racing, deleted) = tokio::join!(futures::future::join_all(opening), delete);
        assert_eq!(deleted.0, 200);
        first.expect("event: closed\ndata: app(1)\n\n").await;
        for mut client in racing {
            // It ends, one way or the other.
            timeout(SOON, client.rest()).await.unwrap();
        }
        assert_eq!(gateway.get(&path).await.0, 403);
    }
    gateway.until_empty().await;
}

/// The permission that it has asked for is about to come, and no longer true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_deleted_while_its_permission_is_on_its_way_does_not_stream() {
    let gateway = Gateway::start_with(Settings {
        agents: Some(["7".to_owned()].into()),
        ..Settings::default()
    })
    .await;
    let mut client = gateway.open("/agents/7/events?setup_ms=10000").await;
    gateway
        .until("in set-up", |stats| stats["registering"] == 1)
        .await;
    gateway.request("DELETE", "/agents/7", b"").await;
    let stats = gateway.stats().await;
    assert_eq!((&stats["live"], &stats["agents"]), (&json!(0), &json!(0)));
    client.expect("\r\n").await;
    // Closed by the `DELETE` as a rule; refused if that has come before it asked.
    let status = client.received.split(' ').nth(1);
    assert!(matches!(status, Some("403" | "503")), "{}", client.received);
    assert_eq!(gateway.get("/agents/7/events").await.0, 403);
    gateway.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_gets_a_json_error() {
    let gateway = Gateway::start().await;
    let cases: [(&str, &str, &[u8], u16); 15] = [
        ("GET", "/", b"", 404),
        ("GET", "/nope?x=1", b"", 404),
        ("PUT", "/stats", b"", 405),
        ("PATCH", "/agents/7", b"", 405),
        ("GET", "/agents/7", b"", 404),
        ("GET", "/worker/stream", b"", 400),
        ("GET", "/agents//events", b"", 400),
        ("GET", "/worker/stream?name=", b"", 400),
        ("GET", "/worker/stream?name=a&name=b", b"", 400),
        ("GET", "/worker/stream?name=a&setup_ms=10001", b"", 400),
        ("GET", "/agents/7/events?setup_ms=10001", b"", 400),
        ("GET", "/worker/stream?name=a&setup_ms=-1", b"", 400),
        ("GET", "/worker/stream?name=a&setup_ms=x", b"", 400),
        ("POST", "/agents/7/messages", b"\xff", 400),
        ("DELETE", "/agents/%ff", b"", 400),
    ];
    for (method, path, body, expected) in cases {
        let (status, answer) = gateway.request(method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(answer["error"].is_string(), "{method} {path}: {answer}");
    }
    let big = vec![b'x'; 3 << 20];
    let (status, answer) = gateway.request("POST", "/agents/7/messages", &big).await;
    assert_eq!(status, 413, "{answer}");
    let stats = gateway.until_empty().await;
    assert_eq!(stats["closed"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_upstream_streams_arrives_whole_with_heartbeats_between() {
    let gateway = Gateway::start_with(Settings {
        heartbeat: Duration::from_millis(20),
        ..Settings::default()
    })
    .await;
    let mut client = gateway.open("/mcp?count=3&every_ms=500").await;
    let received = timeout(SOON, client.rest()).await.unwrap();
    assert!(received.contains("content-type: text/event-stream"));
    // The chunks of the transport are in between.
    let lines: Vec<_> = received.split(['\r', '\n']).collect();
    let events = lines.iter().filter(|line| line.starts_with("data: "));
    let events: Vec<_> = events.collect();
    let pieces = ["data: event ", "data: event ", "data: event "];
    assert_eq!(events, pieces.iter().collect::<Vec<_>>(), "{received}");
    assert!(lines.iter().filter(|line| **line == ":").count() >= 4);
    let stats = gateway.until_empty().await;
    assert_eq!(stats["closed"], json!({ "completed": 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_proxied_stream_however_it_ends() {
    for death in [Death::Close, Death::Reset] {
        let gateway = Gateway::start().await;
        let mut client = gateway.open("/mcp").await;
        client.expect("data: event ").await;
        let stats = gateway.stats().await;
        assert_eq!(
            (&stats["timers"], &stats["bridges"]),
            (&json!(1), &json!(1))
        );
        death.of(client);
        let stats = gateway.until_empty().await;
        assert_eq!(stats["closed"], json!({ "dropped": 1 }));
    }

    let gateway = Gateway::start().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.open("/mcp").await;
        // The whole event, in chunks: inside one that is cut there is no farewell.
        client.expect("data: event ").await;
        client.expect("\r\n\r\n\r\n").await;
        clients.push(client);
    }
    let (status, restarted) = gateway.request("DELETE", "/mcp", b"").await;
    assert_eq!((status, restarted), (200, json!({ "restarted_under": 3 })));
    for client in &mut clients {
        client.expect("event: closed\ndata: aborted\n\n").await;
        client.rest().await;
    }
    let stats = gateway.until_empty().await;
    assert_eq!(stats["closed"], json!({ "aborted": 3 }));
}

/// It has not read for too long, and stays connected: it is gone for all but the
/// transport.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_noticed_with_its_socket_open() {
    let gateway = Gateway::start_with(Settings {
        stall: Duration::from_millis(200),
        ..Settings::default()
    })
    .await;
    let deaf = gateway.open("/agents/7/events").await;
    let mut reading = gateway.open("/agents/8/events").await;
    reading.expect("event: connected\n").await;
    gateway.until("live", |stats| stats["agents"] == 2).await;
    let big = vec![b'x'; 1 << 20];
    for _ in 0..16 {
        gateway.request("POST", "/agents/7/messages", &big).await;
    }
    let stats = gateway.until("noticed", |stats| stats["agents"] == 1).await;
    assert_eq!(stats["closed"], json!({ "stalled": 1 }));
    assert_eq!((&stats["live"], &stats["settling"]), (&json!(1), &json!(0)));
    let status = gateway.get("/agents/7").await.0;
    assert_eq!(status, 410);
    drop(reading);
    gateway.until("gone", |stats| stats["live"] == 0).await;
    // Whatever the transport has kept of it until now.
    drop(deaf);
    gateway.until_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_at_its_maximum_age_and_says_why() {
    let gateway = Gateway::start_with(Settings {
        max_age: Duration::from_secs(1),
        heartbeat: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let begun = Instant::now();
    let mut worker = gateway.open("/worker/stream?name=ada").await;
    worker.expect(": still here\n\n").await;
    worker.expect("event: closed\ndata: expired\n\n").await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let stats = gateway.until_empty().await;
    assert_eq!(stats["closed"], json!({ "expired": 1 }));
    assert_eq!(stats["router"], json!({}));
}

/// The transport does not read on while it has something of the request, so it does not
/// see the end: the heartbeat does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dies_with_its_request_unread_is_noticed_by_a_heartbeat() {
    let gateway = Gateway::start_with(Settings {
        heartbeat: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut socket = TcpStream::connect(gateway.addr).await.unwrap();
    let head = "GET /worker/stream?name=ada HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[b'x'; 1000]).await.unwrap();
    gateway.until("live", |stats| stats["live"] == 1).await;
    socket.set_zero_linger().unwrap();
    drop(socket);
    let stats = gateway.until_empty().await;
    assert_eq!(stats["closed"], json!({ "dropped": 1 }));
}

#[test]
fn the_command_line_is_taken_as_it_is_meant_or_refused() {
    let parse = |args: &[&str]| {
        let args = args.iter().map(|arg| (*arg).to_owned());
        Settings::parse(args, Some("1.2.3.4:5".to_owned()))
    };
    let settings = parse(&["--stall", "0.5", "--max-age=60", "--heartbeat", "7"]).unwrap();
    assert_eq!(settings.addr, "1.2.3.4:5");
    assert_eq!(settings.stall, Duration::from_millis(500));
    assert_eq!(settings.max_age, Duration::from_secs(60));
    assert_eq!(settings.heartbeat, Duration::from_secs(7));
    assert_eq!(parse(&["--addr", "here:1"]).unwrap().addr, "here:1");
    assert!(parse(&["--console"]).unwrap().console && !settings.console);
    let ends = parse(&["--drain", "7", "--undo=0.5"]).unwrap();
    assert_eq!(ends.drain, Duration::from_secs(7));
    assert_eq!(ends.undo, Duration::from_millis(500));
    let agents = parse(&["--agents", "7,8", "--request=3"]).unwrap();
    assert_eq!(agents.request, Duration::from_secs(3));
    assert!(agents.agents.unwrap().iter().eq(["7", "8"]));
    let long = "x".repeat(201);
    let wrong: [&[&str]; 14] = [
        &["--stall"],
        &["--stall", "0"],
        &["--stall", "-1"],
        &["--max-age", "NaN"],
        &["--heartbeat", "inf"],
        &["--heartbeat", "soon"],
        &["--max-connections", "many"],
        &["--request", "0"],
        &["--request", "1e19"],
        &["--agents", ""],
        &["--agents", "7,,8"],
        &["--agents", &long],
        &["--console=yes"],
        &["--unknown", "1"],
    ];
    for args in wrong {
        let problem = parse(args).unwrap_err();
        let name = args[0].split('=').next().unwrap();
        assert!(problem.contains(name), "{problem}");
    }
}

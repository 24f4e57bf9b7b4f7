//! What it costs a server to deliver an event to many open streams, over loopback: a topic of
//! events that are encoded once, beside `tokio::sync::broadcast` and axum's `Sse` by hand.
//!
//! `cargo run --release -p hangup-servers --example delivery -- [STREAMS] [EVENTS] [ROUNDS]`
//!
//! Each side is a process of its own, and so is the client that reads all streams. Both servers
//! stand by with their streams open, and take turns: A B A B. An event is published once all
//! streams have the one before it. What counts is the processor time of the server's process, by
//! `/proc`, whose clock ticks a hundred times a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures::StreamExt;
use hangup::Scope;
use hangup::topic::{EventBody, Replay, Retention, SseEvent, Topic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::BroadcastStream;

const KEPT: usize = 64;
const SIDES: [&str; 2] = ["topic", "broadcast"];
/// Once in each event, and nowhere else.
const MARK: u8 = b'@';

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |at: usize, usual| arguments.get(at).map_or(usual, |it| it.parse().unwrap());
    match arguments.first() {
        Some(&"serve") => serve(arguments[1]),
        Some(&"read") => read(arguments[1], number(2, 0)),
        _ => compare(number(0, 9000), number(1, 20), number(2, 8)),
    }
}

/// A server and its client, each a process.
struct Pair {
    server: Child,
    orders: ChildStdin,
    times: BufReader<ChildStdout>,
    client: Child,
    arrivals: ChildStdout,
}

impl Pair {
    fn start(side: &str, streams: usize) -> Self {
        let mut server = child(&["serve", side]);
        let orders = server.stdin.take().unwrap();
        let mut times = BufReader::new(server.stdout.take().unwrap());
        let addr = line(&mut times);
        let mut client = child(&["read", &addr, &streams.to_string()]);
        let mut arrivals = client.stdout.take().unwrap();
        // All streams are open.
        arrivals.read_exact(&mut [0]).unwrap();
        Self {
            server,
            orders,
            times,
            client,
            arrivals,
        }
    }

    /// Delivers so many events. Returns the ticks that the server took: all, and for itself.
    fn deliver(&mut self, events: usize) -> [f64; 2] {
        let before = self.ticks();
        for _ in 0..events {
            self.orders.write_all(b"publish\n").unwrap();
            self.arrivals.read_exact(&mut [0]).unwrap();
        }
        let after = self.ticks();
        [after[0] - before[0], after[1] - before[1]]
    }

    fn ticks(&mut self) -> [f64; 2] {
        self.orders.write_all(b"time\n").unwrap();
        let times = line(&mut self.times);
        let mut times = times.split(' ').map(|ticks| ticks.parse().unwrap());
        [times.next().unwrap(), times.next().unwrap()]
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in [&mut self.client, &mut self.server] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn child(arguments: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn compare(streams: usize, events: usize, rounds: usize) {
    let mut pairs = SIDES.map(|side| Pair::start(side, streams));
    for pair in &mut pairs {
        pair.deliver(2);
    }
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let [ours, peer] = pairs.each_mut().map(|pair| pair.deliver(events));
        let per_event = |ticks: [f64; 2]| ticks.map(|it| it * 1e7 / (streams * events) as f64);
        let [all, own] = [0, 1].map(|kind| ours[kind] / peer[kind]);
        println!(
            "ns per event: topic {:.0?}, broadcast {:.0?}",
            per_event(ours),
            per_event(peer)
        );
        ratios[0].push(all);
        ratios[1].push(own);
    }
    for (ratios, what) in ratios.iter_mut().zip(["cpu", "user"]) {
        ratios.sort_by(f64::total_cmp);
        println!(
            "delivery_{streams}_{what}: median ratio {:.3}",
            ratios[ratios.len() / 2]
        );
    }
}

/// Serves one side: publishes, and tells its times, as it is told on its input.
#[tokio::main(flavor = "current_thread")]
async fn serve(side: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (routes, mut publish) = match side {
        "topic" => topic(),
        _ => by_hand(),
    };
    let (order, mut orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            order.send(line.unwrap()).unwrap();
        }
    });
    let obey = async move {
        while let Some(what) = orders.recv().await {
            match what.as_str() {
                "publish" => publish(),
                _ => println!("{}", times()),
            }
        }
    };
    tokio::spawn(obey);
    axum::serve(listener, routes).await.unwrap();
}

type Served = (Router, Box<dyn FnMut() + Send>);

fn text(number: u64) -> String {
    format!(
        "@{{\"number\": {number}, \"text\": \"{}\"}}",
        "x".repeat(80)
    )
}

fn topic() -> Served {
    let (scope, topic) = (Scope::new(), Topic::new(Retention::items(KEPT)));
    let events = topic.clone();
    let handler = async move || {
        let live = scope.live().unwrap();
        let messages = events.subscribe(Replay::Now).for_connection(live.handle());
        let messages = messages.gap_as(|_| SseEvent::new("gap").into_bytes());
        let farewell = |_| Some(SseEvent::new("closed").data("").into_bytes());
        let body = EventBody::new(live.stream(messages).farewell(farewell));
        ([(CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
    };
    let mut number = 0;
    let publish = move || {
        number += 1;
        let event = SseEvent::new("output").data(&text(number));
        topic.publish_event(event).unwrap();
    };
    (Router::new().route("/", get(handler)), Box::new(publish))
}

fn by_hand() -> Served {
    let sender = broadcast::Sender::<(u64, String)>::new(KEPT);
    let events = sender.clone();
    let handler = async move || {
        let messages = BroadcastStream::new(events.subscribe()).map(|message| {
            message.map(|(number, text)| {
                Event::default()
                    .event("output")
                    .data(text)
                    .id(number.to_string())
            })
        });
        Sse::new(messages).into_response()
    };
    let mut number = 0;
    let publish = move || {
        number += 1;
        sender.send((number, text(number))).unwrap();
    };
    (Router::new().route("/", get(handler)), Box::new(publish))
}

/// The processor time of this process, in ticks: all, and what is not the kernel's.
fn times() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let mut times = fields
        .split_whitespace()
        .skip(11)
        .map(|field| field.parse::<u64>().unwrap());
    let [user, system] = [(); 2].map(|()| times.next().unwrap());
    format!("{} {user}", user + system)
}

/// Opens so many streams, and says when all of them have been opened, and have one more event.
#[tokio::main(flavor = "current_thread")]
async fn read(addr: &str, streams: usize) {
    let (seen, mut all) = mpsc::unbounded_channel();
    for _ in 0..streams {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        // The head.
        let mut chunk = [0; 1024];
        assert_ne!(socket.read(&mut chunk).await.unwrap(), 0);
        let seen = seen.clone();
        tokio::spawn(async move {
            let mut chunk = [0; 1024];
            loop {
                let read = socket.read(&mut chunk).await.unwrap();
                for _ in chunk[..read].iter().filter(|byte| **byte == MARK) {
                    seen.send(()).unwrap();
                }
            }
        });
    }
    loop {
        let mut out = std::io::stdout();
        out.write_all(b".").and_then(|()| out.flush()).unwrap();
        for _ in 0..streams {
            all.recv().await.unwrap();
        }
    }
}

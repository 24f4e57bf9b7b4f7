//! Measures the engine on servers of its own, on loopback, from one process:
//! `cargo run --release -p hangup-nats --example figures`.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hangup_cluster::engine::{Claims, Log, LogEvent, Swapped};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::Nats;
use hangup_nats::async_nats::{self, HeaderMap, Request, jetstream};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Calls of each kind, one after the other.
const CALLS: u32 = 5_000;
/// Calls at once, for what is done per second.
const IN_FLIGHT: usize = 256;
/// What is done at once, and where each write waits for the disk.
const ITEMS: u32 = 50_000;
const ITEMS_ON_DISK: u32 = 5_000;
const ITEM: [u8; 256] = [7; 256];
const LEASE: Option<Duration> = Some(Duration::from_secs(600));

#[tokio::main]
async fn main() -> Outcome<()> {
    for sync_always in [false, true] {
        let items = if sync_always { ITEMS_ON_DISK } else { ITEMS };
        let options = NatsOptions {
            sync_always,
            ..NatsOptions::default()
        };
        println!("\none server, sync_interval always: {sync_always}");
        let server = NatsServer::start(options);
        measure(&[server], items).await?;
        println!("\nthree servers, sync_interval always: {sync_always}");
        measure(&NatsServer::start_three(options), items).await?;
    }
    Ok(())
}

async fn measure(servers: &[NatsServer], items: u32) -> Outcome<()> {
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    let builder = Nats::builder(urls.join(",")).replicas(servers.len());
    let nats = builder
        .timeout(Duration::from_secs(30))
        .log_items(10 * ITEMS)
        .connect()
        .await?;
    // Three servers that have just begun meet and elect their leader first.
    while nats.adopt().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    claims(&nats, &urls.join(","), items).await?;
    publishing(&nats, items).await?;
    reading(&nats, items).await?;
    waking(&nats).await
}

async fn claims(nats: &Nats, urls: &str, items: u32) -> Outcome<()> {
    let servers: Result<Vec<async_nats::ServerAddr>, _> = urls.split(',').map(str::parse).collect();
    let client = async_nats::connect(servers?).await?;
    let context = jetstream::new(client.clone());
    let records = context.get_stream("hangup-records").await?;
    let life = records.cached_info().config.subjects[0].clone();
    let life = life.trim_end_matches('>');
    let (mut swaps, mut bare, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..CALLS {
        // In turns, so that all meet the same machine.
        let name = format!("swap-{n}");
        let begun = Instant::now();
        let swapped = nats.swap(&name, None, vec![7; 64], LEASE).await?;
        swaps.push(begun.elapsed());
        assert!(matches!(swapped, Swapped::Done(_)));

        let begun = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
        headers.insert("Nats-TTL", "600s");
        let request = Request::new().headers(headers).payload(vec![7; 64].into());
        let written = client
            .send_request(format!("{life}bare-{n}"), request)
            .await?;
        bare.push(begun.elapsed());
        assert!(!written.payload.windows(5).any(|part| part == b"error"));

        let begun = Instant::now();
        assert!(nats.load(&name).await?.is_some());
        loads.push(begun.elapsed());
    }
    let whole = latency("swap of a free key", &mut swaps);
    let least = latency("the same publish through the bare client", &mut bare);
    println!("{:40} {:8.2}", "ratio", whole / least);
    latency("load", &mut loads);
    let begun = Instant::now();
    all(items, |n| async move {
        nats.swap(&format!("many-{n}"), None, vec![7; 64], LEASE)
            .await
    })
    .await?;
    rate("swaps, 256 in flight", items, begun);
    Ok(())
}

async fn publishing(nats: &Nats, items: u32) -> Outcome<()> {
    let mut took = Vec::new();
    for n in 0..CALLS {
        let begun = Instant::now();
        nats.publish("one", &n.to_string(), ITEM.into()).await?;
        took.push(begun.elapsed());
    }
    latency("publish, 256 bytes", &mut took);
    let begun = Instant::now();
    all(items, |n| async move {
        nats.publish("many", &n.to_string(), ITEM.into()).await
    })
    .await?;
    rate("publishes, 256 in flight", items, begun);
    Ok(())
}

async fn reading(nats: &Nats, items: u32) -> Outcome<()> {
    let start = nats.end("replay").await?;
    all(items, |n| async move {
        nats.publish("replay", &n.to_string(), ITEM.into()).await
    })
    .await?;
    let begun = Instant::now();
    let mut read = nats.read("replay", start).await?.take(items as usize);
    while let Some(event) = read.next().await {
        assert!(matches!(event?, LogEvent::Item(..)));
    }
    rate("items read from the past", items, begun);
    // Every second item is another topic's, so that the server is asked what is missing between.
    let start = nats.end("mixed-0").await?;
    all(items, |n| async move {
        nats.publish(&format!("mixed-{}", n % 2), &n.to_string(), ITEM.into())
            .await
    })
    .await?;
    let begun = Instant::now();
    let mut read = nats.read("mixed-0", start).await?.take(items as usize / 2);
    while let Some(event) = read.next().await {
        assert!(matches!(event?, LogEvent::Item(..)));
    }
    rate("the same, of one topic of two", items / 2, begun);
    Ok(())
}

async fn waking(nats: &Nats) -> Outcome<()> {
    let mut read = nats.read("live", nats.end("live").await?).await?;
    let mut took = Vec::new();
    for n in 0..CALLS {
        let begun = Instant::now();
        let id = n.to_string();
        let published = nats.publish("live", &id, ITEM.into());
        let (published, event) = tokio::join!(published, read.next());
        published?;
        assert!(matches!(event.ok_or("it goes on")??, LogEvent::Item(..)));
        took.push(begun.elapsed());
    }
    latency("publish until a reader has the item", &mut took);
    Ok(())
}

/// Does it for each number, with many in flight.
async fn all<T, E: Error + 'static, F: Future<Output = Result<T, E>>>(
    count: u32,
    call: impl FnMut(u32) -> F,
) -> Outcome<()> {
    let calls = stream::iter(0..count).map(call);
    let mut calls = calls.buffer_unordered(IN_FLIGHT);
    while let Some(called) = calls.next().await {
        called?;
    }
    Ok(())
}

/// Prints and returns the median.
fn latency(what: &str, took: &mut [Duration]) -> f64 {
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what:40} {:8.3} ms p50 {:8.3} ms p99", at(50), at(99));
    at(50)
}

fn rate(what: &str, count: u32, begun: Instant) {
    let each = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("{what:40} {each:8.0} /s");
}

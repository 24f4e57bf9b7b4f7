//! Measures the engine on a server of its own, on loopback, from one process:
//! `cargo run --release -p hangup-redis --example figures`.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hangup_cluster::engine::{Claims, Log, LogEvent, Swapped};
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::Redis;
use hangup_redis::redis::{self, Client, Cmd, Script};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Calls of each kind, one after the other.
const CALLS: u32 = 10_000;
/// Calls at once, for what is done per second.
const IN_FLIGHT: usize = 256;
const ITEMS: u32 = 100_000;
const ITEM: [u8; 256] = [7; 256];
const LEASE: Option<Duration> = Some(Duration::from_secs(600));

#[tokio::main]
async fn main() -> Outcome<()> {
    for persistence in [Persistence::Default, Persistence::Always] {
        let server = RedisServer::start(persistence);
        println!("\npersistence: {persistence:?}");
        measure(&server).await?;
    }
    Ok(())
}

async fn measure(server: &RedisServer) -> Outcome<()> {
    let redis = Redis::builder(server.url())
        .log_items(ITEMS as usize)
        .connect()
        .await?;
    redis.adopt().await?;
    claims(&redis, server).await?;
    publishing(&redis, server).await?;
    reading(&redis).await?;
    waking(&redis).await
}

async fn claims(redis: &Redis, server: &RedisServer) -> Outcome<()> {
    let client = Client::open(server.url())?;
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut bare = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let source = include_str!("../src/lua/swap.lua");
    let life: String = redis::cmd("HGET")
        .arg("{hangup}:incarnation")
        .arg("life")
        .query_async(&mut bare)
        .await?;
    let hash = Script::new(source).get_hash().to_owned();
    let (mut swaps, mut scripts, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..CALLS {
        // In turns, so that all meet the same machine.
        let (name, value) = (format!("swap-{n}"), vec![7; 64]);
        let begun = Instant::now();
        let swapped = redis.swap(&name, None, value, LEASE).await?;
        swaps.push(begun.elapsed());
        assert!(matches!(swapped, Swapped::Done(_)));

        let key = format!("{{hangup}}:r:bare-{n}");
        let begun = Instant::now();
        let mut script = redis::cmd("EVALSHA");
        script
            .arg(&hash)
            .arg(3)
            .arg("{hangup}:incarnation")
            .arg("{hangup}:revision")
            .arg(&key);
        script.arg(&life).arg("").arg(&[7; 64]).arg(600_000);
        let _: String = script.query_async(&mut bare).await?;
        scripts.push(begun.elapsed());

        let begun = Instant::now();
        let key = format!("{{hangup}}:set-{n}");
        let _: () = Cmd::set_options(key, &[7; 64], options())
            .query_async(&mut bare)
            .await?;
        sets.push(begun.elapsed());
    }
    latency("swap of a free key", &mut swaps);
    latency("its script through the bare client", &mut scripts);
    latency("SET NX PX through the bare client", &mut sets);
    let begun = Instant::now();
    let swap = |n| async move {
        redis
            .swap(&format!("many-{n}"), None, vec![7; 64], LEASE)
            .await
    };
    all(ITEMS, swap).await?;
    rate("swaps, 256 in flight", ITEMS, begun);
    Ok(())
}

fn options() -> redis::SetOptions {
    let options = redis::SetOptions::default();
    options
        .conditional_set(redis::ExistenceCheck::NX)
        .with_expiration(redis::SetExpiry::PX(600_000))
}

async fn publishing(redis: &Redis, server: &RedisServer) -> Outcome<()> {
    let mut took = Vec::new();
    for n in 0..CALLS {
        let begun = Instant::now();
        redis.publish("one", &n.to_string(), ITEM.into()).await?;
        took.push(begun.elapsed());
    }
    latency("publish, 256 bytes", &mut took);
    let before = used_memory(server)?;
    let begun = Instant::now();
    all(ITEMS, |n| async move {
        redis.publish("many", &format!("{n:08}"), ITEM.into()).await
    })
    .await?;
    rate("publishes, 256 in flight", ITEMS, begun);
    let with_items = used_memory(server)? - before;
    let mut connection = Client::open(server.url())?.get_connection()?;
    let _: () = redis::cmd("DEL")
        .arg("{hangup}:l:many")
        .query(&mut connection)?;
    let ids = used_memory(server)? - before;
    let each = |bytes| bytes / i64::from(ITEMS);
    println!(
        "{:40} {:>8} bytes",
        "memory of an item of 256 bytes",
        each(with_items - ids)
    );
    println!(
        "{:40} {:>8} bytes",
        "memory of an id, for two minutes",
        each(ids)
    );
    Ok(())
}

fn used_memory(server: &RedisServer) -> Outcome<i64> {
    let mut connection = Client::open(server.url())?.get_connection()?;
    let info: String = redis::cmd("INFO").arg("memory").query(&mut connection)?;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used.ok_or("the memory that is used")?.parse()?)
}

async fn reading(redis: &Redis) -> Outcome<()> {
    let start = redis.end("replay").await?;
    all(ITEMS, |n| async move {
        redis.publish("replay", &n.to_string(), ITEM.into()).await
    })
    .await?;
    let begun = Instant::now();
    let mut read = redis.read("replay", start).await?.take(ITEMS as usize);
    while let Some(event) = read.next().await {
        assert!(matches!(event?, LogEvent::Item(..)));
    }
    rate("items read from the past", ITEMS, begun);
    Ok(())
}

async fn waking(redis: &Redis) -> Outcome<()> {
    let mut read = redis.read("live", redis.end("live").await?).await?;
    let mut took = Vec::new();
    for n in 0..CALLS {
        let begun = Instant::now();
        let id = n.to_string();
        let published = redis.publish("live", &id, ITEM.into());
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

fn latency(what: &str, took: &mut [Duration]) {
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what:40} {:8.3} ms p50 {:8.3} ms p99", at(50), at(99));
}

fn rate(what: &str, count: u32, begun: Instant) {
    let each = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("{what:40} {each:8.0} /s");
}

//! What the observer remembers, and that it is bounded.

use std::future::pending;
use std::time::{Duration, Instant};

use hangup::{CloseReason, Conflict, Registry, Scope};
use hangup_console::{Console, ConsoleObserver};
use serde_json::{Value, json};

use crate::world::World;

async fn recent(world: &World) -> Value {
    world.events("").await.next("recent").await
}

#[tokio::test]
async fn the_latest_closes_are_told_with_reason_and_words() {
    let world = World::new();
    for number in 0..10 {
        let live = world.open(&format!("worker {number}"), "a");
        let reason = CloseReason::App(number);
        live.handle()
            .close_with(reason, format!("words {number}"))
            .unwrap();
    }
    drop(world.open(&"l".repeat(1_000), "a"));
    let recent = recent(&world).await;
    let closes = recent["closes"].as_array().unwrap();
    // The world remembers three.
    assert_eq!((closes.len(), &recent["most"]), (3, &json!(3)));
    assert_eq!(
        (&closes[0]["reason"], &closes[0]["words"]),
        (&json!("dropped"), &Value::Null)
    );
    assert!(closes[0]["label"].as_str().unwrap().len() < 250);
    let close = &closes[1];
    assert_eq!(
        (&close["label"], &close["reason"], &close["words"]),
        (&json!("worker 9"), &json!("app(9)"), &json!("words 9"))
    );
    assert_eq!(close["phase"], "live");
    assert!(close["age_ms"].is_u64() && close["at"].as_u64() > Some(1_600_000_000_000));
}

#[tokio::test]
async fn a_successor_is_named() {
    let observer = ConsoleObserver::new();
    let scope = Scope::builder().observer(observer.clone()).build();
    let workers = Registry::builder(Conflict::Replace).name("workers").build();
    let join = || {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&workers, "ada", ()).unwrap();
        setup.go_live().unwrap()
    };
    let (_old, new) = (join(), join());
    let console = Console::builder(scope.clone()).observer(&observer);
    let world = World {
        console: console.allow(|_| true).build(),
        ..World::new()
    };
    let close = &recent(&world).await["closes"][0];
    assert_eq!(
        (&close["reason"], &close["by"]),
        (&json!("superseded"), &json!(new.id().to_string()))
    );
}

#[tokio::test]
async fn refusals_and_rejections_are_counted_and_the_latest_kept() {
    let world = World::with(
        |scope| scope.max_connections(2),
        |console| console.allow(|_| true),
    );
    let single = Registry::new(Conflict::Reject);
    let mut first = world.scope.open().unwrap().register().unwrap();
    first.join(&single, 1, ()).unwrap();
    let mut second = world.scope.open().unwrap().register().unwrap();
    second.label("second");
    for _ in 0..30 {
        assert!(second.join(&single, 1, ()).is_err());
        assert!(world.scope.open().is_err());
    }
    world.scope.begin_drain();
    assert!(world.scope.open().is_err());
    let recent = recent(&world).await;
    assert_eq!(recent["rejected"], 30);
    let rejections = recent["rejections"].as_array().unwrap();
    assert_eq!(
        (
            rejections.len(),
            &rejections[0]["label"],
            &rejections[0]["what"]
        ),
        (20, &json!("second"), &json!("the key is taken"))
    );
    let refused = &recent["refused"];
    assert_eq!(
        (&refused["full"], &refused["draining"], &refused["other"]),
        (&json!(30), &json!(1), &json!(0))
    );
    assert!(refused["at"].is_u64());
    assert!(recent["drain"]["begun_at"].is_u64());
}

#[tokio::test]
async fn what_a_sweep_tells_as_unsettled_is_kept_until_it_settles() {
    let world = World::with(
        |scope| {
            scope
                .unsettled_after(Duration::from_secs(30))
                .swept_by_hand()
        },
        |console| console.allow(|_| true),
    );
    let mut setup = world.scope.open().unwrap().register().unwrap();
    setup.label("ada");
    setup.on_close_async("leave", pending::<()>).unwrap();
    let handle = setup.handle();
    drop(setup);
    let now = Instant::now();
    for sweep in 0..6 {
        world.scope.sweep(now + Duration::from_secs(10 * sweep));
    }
    let told = &recent(&world).await["unsettled"];
    assert_eq!(told[0]["label"], "ada");
    assert!(
        told[0]["what"]
            .as_str()
            .unwrap()
            .starts_with("the undo `leave`")
    );
    handle.abandon_undos();
    handle.settled().await;
    assert_eq!(recent(&world).await["unsettled"], json!([]));
}

#[tokio::test]
async fn the_progress_of_a_drain_is_told() {
    let world = World::new();
    let lives: Vec<_> = (0..30).map(|_| world.open("ada", &own_key())).collect();
    let report = world.scope.drain(Duration::from_secs(5)).await.unwrap();
    drop(lives);
    assert_eq!(report.closed, 30);
    let drain = &recent(&world).await["drain"];
    assert_eq!(
        (&drain["closed"], &drain["done"]["closed"]),
        (&json!(30), &json!(30))
    );
    assert!(drain["batches"].as_u64() >= Some(1) && drain["forced"].is_null());
}

/// A key of its own.
fn own_key() -> String {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    next.to_string()
}

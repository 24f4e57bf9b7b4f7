//! The streams of the pages: how often they tell, how many there are, and how they end.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::json;

use crate::world::{World, column, json as read};

#[tokio::test]
async fn a_change_is_told_with_an_update_and_updates_are_a_second_apart() {
    let world = World::new();
    let begun = Instant::now();
    let mut events = world.events("").await;
    events.next("view").await;
    let live = world.open("ada", "a");
    let view = events.next("view").await;
    assert_eq!(column(&view, "id"), [live.id().to_string()]);
    drop(live);
    let close = events.next("view").await;
    assert_eq!(close["matched"], 0);
    // From before the stream on: where this task stands still, it takes longer, and never shorter.
    let two = begun.elapsed();
    // A timer of tokio may be early by less than a millisecond.
    assert!(two >= Duration::from_millis(1990), "{two:?}");
}

#[tokio::test]
async fn pages_are_as_many_as_the_console_was_told() {
    let world = World::with(
        |scope| scope,
        |console| console.allow(|_| true).max_pages(2),
    );
    let one = world.events("").await;
    let _other = world.events("page=2").await;
    let answer = world.get("/events").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[RETRY_AFTER], "5");
    assert_eq!(read(answer).await["code"], "no_stream");
    drop(one);
    world.events("").await;
    // The document itself is no stream.
    assert_eq!(world.get("/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_full_scope_can_be_looked_at() {
    let world = World::with(
        |scope| scope.max_connections(1),
        |console| console.allow(|_| true),
    );
    let _live = world.open("ada", "a");
    let view = world.view("").await;
    assert_eq!(
        (&view["scope"]["live"], &view["scope"]["cap"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_page_sees_the_drain_and_ends_with_it() {
    let world = World::new();
    let live = world.open("ada", "a");
    let mut events = world.events("").await;
    events.next("view").await;
    world.scope.begin_drain();
    let view = events
        .until(|view| view["scope"]["is_draining"] == true)
        .await;
    assert_eq!(view["matched"], 1);
    drop(live);
    let why = events.next_text("closed").await;
    assert_eq!(why, "shutdown");
    assert!(!events.more().await);
    // One that comes now is told how it is, and ends.
    let mut events = world.events("").await;
    assert_eq!(events.next("view").await["scope"]["is_draining"], true);
    events.next_text("closed").await;
    assert!(!events.more().await);
}

#[tokio::test]
async fn a_page_ends_with_a_drain_that_leaves_something() {
    let world = World::new();
    let live = world.open("ada", "a");
    // A task that does not end.
    let task = live.track(pending::<()>());
    let mut events = world.events("").await;
    events.next("view").await;
    let report = world.scope.drain(Duration::from_millis(10)).await.unwrap();
    assert_eq!(report.unsettled.len(), 1);
    events.next_text("closed").await;
    assert!(!events.more().await);
    drop(task);
}

#[tokio::test]
async fn an_end_of_the_console_s_streams_says_why() {
    let world = World::new();
    let mut events = world.events("").await;
    events.next("view").await;
    world
        .console
        .streams()
        .close_all(hangup::CloseReason::Expired);
    assert_eq!(events.next_text("closed").await, "expired");
    assert!(!events.more().await);
}

#[tokio::test]
async fn no_connection_is_kept_when_the_last_page_is_gone() {
    let world = World::new();
    let value = Arc::new(());
    let mut pending = world.scope.open().unwrap();
    pending.insert(Arc::clone(&value));
    let mut one = world.events("filter=a").await;
    let mut other = world.events("sort=label").await;
    one.next("view").await;
    other.next("view").await;
    drop(pending);
    drop(one);
    // The other page has it until its next update.
    let view = other.until(|view| view["matched"] == 0).await;
    assert_eq!(view["rows"], json!([]));
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[tokio::test]
async fn what_has_not_changed_of_the_past_is_not_told_again() {
    let world = World::new();
    let mut events = world.events("").await;
    events.next("recent").await;
    drop(world.open("ada", "a"));
    let recent = events.next("recent").await;
    assert_eq!(recent["closes"].as_array().unwrap().len(), 1);
    events.next("view").await;
    drop(world.open("grace", "a"));
    // The next one that is told has both: none came in between.
    let recent = events.next("recent").await;
    assert_eq!(recent["closes"].as_array().unwrap().len(), 2);
}

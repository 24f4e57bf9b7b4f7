//! What a view shows.

use std::future::pending;
use std::time::Duration;

use hangup::Scope;
use serde_json::{Value, json};

use crate::world::{World, column};

#[tokio::test]
async fn a_row_says_what_is_known_of_its_connection() {
    let world = World::with(
        |scope| scope.max_connections(40),
        |console| console.allow(|_| true),
    );
    let mut setup = world.scope.open().unwrap().register().unwrap();
    setup
        .label("<b>Ada</b>")
        .join(&world.workers, "a".to_owned(), ())
        .unwrap();
    setup.on_close_async("pause", || async {}).unwrap();
    let view = world.view("").await;
    let row = &view["rows"][0];
    assert_eq!(row["id"], setup.id().to_string());
    assert_eq!(row["label"], "<b>Ada</b>");
    assert_eq!(
        row["keys"],
        json!([{ "registry": "workers", "key": "\"a\"", "shown": "\"a\"" }])
    );
    assert_eq!(row["phase"], "registering");
    assert_eq!(row["undos"], json!(["pause"]));
    assert!(row["age_ms"].is_u64() && row["in_phase_ms"].is_u64());
    assert!(row["idle_ms"].is_null() && row["end"].is_null() && row["waits_for"].is_null());
    let scope = &view["scope"];
    assert_eq!(
        (&scope["registering"], &scope["cap"]),
        (&json!(1), &json!(40))
    );
    assert_eq!(scope["is_draining"], false);
    assert_eq!(
        (&view["matched"], &view["page"], &view["pages"]),
        (&json!(1), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn an_empty_scope_and_one_without_a_clock_are_shown() {
    let world = World::new();
    let view = world.view("sort=label&filter=a&page=3").await;
    assert_eq!((&view["rows"], &view["page"]), (&json!([]), &json!(1)));

    let scope = Scope::new();
    let _pending = scope.open().unwrap();
    let console = hangup_console::Console::builder(scope.clone());
    let world = World {
        console: console.allow(|_| true).build(),
        scope,
        ..world
    };
    let mut events = world.events("").await;
    assert_eq!(events.next("hello").await["is_observed"], false);
    let view = events.next("view").await;
    assert!(view["rows"][0]["age_ms"].is_null());
}

#[tokio::test]
async fn the_table_is_filtered_sorted_and_in_pages() {
    let world = World::new();
    let open = |number: usize| {
        world.open(
            &format!("Worker {:03}", number * 37 % 120),
            &format!("k{number}"),
        )
    };
    let lives: Vec<_> = (0..120).map(open).collect();
    let ids: Vec<_> = lives.iter().map(|live| live.id().to_string()).collect();
    let _pending = world.scope.open().unwrap();

    // The youngest first, and fifty a page.
    let view = world.view("").await;
    assert_eq!((&view["matched"], &view["pages"]), (&json!(121), &json!(3)));
    let mut expected: Vec<_> = ids.iter().rev().take(49).cloned().collect();
    assert_eq!(column(&view, "id")[1..], expected);
    let view = world.view("order=down&page=2").await;
    expected = ids[50..100].to_vec();
    assert_eq!(column(&view, "id"), expected);

    let labels = |view: &Value| column(view, "label");
    let view = world.view("sort=label").await;
    let expected: Vec<_> = (0..50)
        .map(|number| format!("Worker {number:03}"))
        .collect();
    assert_eq!(labels(&view), expected);
    // What has no label comes last.
    let view = world.view("sort=label&page=3").await;
    assert_eq!((labels(&view).len(), &*labels(&view)[20]), (21, ""));
    let view = world.view("sort=label&order=down").await;
    assert_eq!((&*labels(&view)[0], &*labels(&view)[1]), ("", "Worker 119"));

    assert_eq!(
        column(&world.view("sort=phase").await, "phase")[..2],
        ["pending", "live"]
    );
    let view = world.view("sort=phase&order=down&page=3").await;
    assert_eq!(column(&view, "phase").last().unwrap(), "pending");

    // By label and by key, in any case; by id.
    let view = world.view("filter=wORKER+01&sort=label").await;
    assert_eq!(
        (view["matched"].as_u64(), &*labels(&view)[9]),
        (Some(10), "Worker 019")
    );
    let view = world.view("filter=workers%3D%22K119").await;
    assert_eq!(column(&view, "id"), [&*ids[119]]);
    let view = world.view(&format!("filter={}", ids[3])).await;
    assert!(column(&view, "id").contains(&ids[3]));
    let view = world.view("filter=nobody").await;
    assert_eq!((&view["matched"], &view["pages"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_filter_follows_labels_keys_and_ends() {
    let world = World::new();
    let mut setup = world.scope.open().unwrap().register().unwrap();
    let mut events = world.events("filter=ada").await;
    assert_eq!(events.next("view").await["matched"], 0);
    // Without a change of its state.
    setup.label("Ada");
    let view = events.until(|view| view["matched"] == 1).await;
    assert_eq!(column(&view, "label"), ["Ada"]);
    setup.label("Grace");
    events.until(|view| view["matched"] == 0).await;
    setup.join(&world.workers, "ada".to_owned(), ()).unwrap();
    events.until(|view| view["matched"] == 1).await;
    drop(setup);
    events.until(|view| view["matched"] == 0).await;
}

#[tokio::test]
async fn two_pages_at_once_each_see_their_own_view() {
    let world = World::new();
    let lives: Vec<_> = (0..9)
        .map(|number| world.open(&format!("worker {number}"), "a"))
        .collect();
    let mut all = world.events("").await;
    assert_eq!(all.next("view").await["matched"], 9);
    // Of the same instant, to which labels are added.
    let mut one = world.events("filter=worker+7").await;
    assert_eq!(column(&one.next("view").await, "label"), ["worker 7"]);
    drop(lives);
    all.until(|view| view["matched"] == 0).await;
    one.until(|view| view["matched"] == 0).await;
}

#[tokio::test]
async fn long_and_many_values_are_cut() {
    let world = World::new();
    let mut setup = world.scope.open().unwrap().register().unwrap();
    setup.label("ä".repeat(5_000));
    for number in 0..20 {
        let key = format!("{number} {}", "k".repeat(5_000));
        setup.join(&world.workers, key, ()).unwrap();
        setup
            .on_close_async(format!("undo {number} {}", "u".repeat(5_000)), || async {})
            .unwrap();
    }
    let view = world.view("").await;
    assert!(view.to_string().len() < 16_000);
    let row = &view["rows"][0];
    assert_eq!(
        (&row["more_keys"], &row["more_undos"]),
        (&json!(12), &json!(12))
    );
    assert_eq!(row["keys"].as_array().unwrap().len(), 8);
    // It cannot be sent back.
    assert!(row["keys"][0]["key"].is_null());
    assert!(row["label"].as_str().unwrap().ends_with("ä…"));
}

#[tokio::test]
async fn what_does_not_settle_is_marked_with_what_it_waits_for() {
    let world = World::with(
        |scope| scope,
        |console| {
            console
                .allow(|_| true)
                .stuck_after(Duration::from_millis(50))
        },
    );
    let mut setup = world.scope.open().unwrap().register().unwrap();
    setup.label("ada");
    setup
        .on_close_async("leave the room", pending::<()>)
        .unwrap();
    let mut events = world.events("").await;
    assert_eq!(events.next("view").await["stuck"]["rows"], json!([]));
    let handle = setup.handle();
    drop(setup);
    let is_stuck = |view: &Value| view["rows"][0]["is_stuck"] == true;
    let view = events.until(is_stuck).await;
    let stuck = &view["stuck"];
    assert_eq!(
        (&stuck["after_ms"], &stuck["is_part"]),
        (&json!(50), &json!(false))
    );
    let row = &stuck["rows"][0];
    assert_eq!(
        (&row["label"], &row["phase"], &row["end"]),
        (&json!("ada"), &json!("closed"), &json!("dropped"))
    );
    assert!(
        row["waits_for"]
            .as_str()
            .unwrap()
            .starts_with("the undo `leave the room` from ")
    );
    handle.abandon_undos();
    let view = events.until(|view| view["matched"] == 0).await;
    assert_eq!(view["stuck"]["rows"], json!([]));
}

#[tokio::test]
async fn of_many_that_are_stuck_a_part_is_shown() {
    let world = World::with(
        |scope| scope,
        |console| console.allow(|_| true).stuck_after(Duration::ZERO),
    );
    for _ in 0..30 {
        let mut setup = world.scope.open().unwrap().register().unwrap();
        setup.on_close_async("leave", pending::<()>).unwrap();
    }
    let view = world.view("").await;
    let stuck = &view["stuck"];
    assert_eq!(
        (stuck["rows"].as_array().unwrap().len(), &stuck["is_part"]),
        (20, &json!(true))
    );
}

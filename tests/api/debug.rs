//! What a log shows of each public type: the connection, its state, and nothing
//! that needs a lock or the user's own code.

use hangup::report::Transition;
use hangup::{CloseReason, Conflict, Deadlines, Handle, Registry, Scope};

use crate::support::{live, pending, registering};

#[test]
fn owners_and_handles_show_the_connection_and_its_state() {
    let pending = pending();
    let id = pending.id().to_string();
    let shown = [format!("{:?}", pending.handle()), format!("{pending:?}")];
    for shown in shown {
        assert!(shown.contains(&format!("ConnectionId({id})")), "{shown}");
        assert!(shown.contains("state: Pending"), "{shown}");
    }

    let mut setup = registering();
    assert!(format!("{setup:?}").contains("state: Registering"));
    assert!(format!("{:?}", setup.run(async {})).contains("NotStarted"));

    let live = live();
    assert!(format!("{live:?}").contains("state: Live"));
    let stream = live.stream(futures::stream::pending::<u8>());
    assert!(format!("{stream:?}").contains("state: Live"));
    stream.handle().close(CloseReason::Idle).unwrap();
    assert!(format!("{stream:?}").contains("reason: Idle"));
    let run = self::live().run(async {});
    assert!(format!("{run:?}").contains("state: Live"));
    let live = self::live();
    let bridge = live.handle().close_when(async {}, CloseReason::Expired);
    assert!(format!("{bridge:?}").contains("state: Live"));
    assert!(format!("{bridge:?}").contains("reason: Expired"));
}

#[test]
fn registries_and_scopes_show_what_they_can_without_a_lock_on_the_users_code() {
    let registry = Registry::new(Conflict::Reject);
    assert!(format!("{registry:?}").contains("Reject"));
    let scope = Scope::new();
    let mut setup = scope.open().unwrap().register().unwrap();
    setup.join(&registry, "ada", 77).unwrap();
    assert!(format!("{scope:?}").contains("registering: 1"));
    let _live = setup.go_live().unwrap();
    assert!(format!("{:?}", registry.get("ada")).contains("value: 77"));
}

#[test]
fn builders_and_waits_show_what_they_are_set_to() {
    let builder = Scope::builder()
        .max_connections(7)
        .observer(|_: &Handle, _: &Transition| ());
    assert!(format!("{builder:?}").contains("max_connections: Some(7)"));
    assert!(format!("{builder:?}").contains("observer: true, clock: false"));
    let builder = Registry::<u8, ()>::builder(Conflict::Reject).on_last(|_| ());
    assert!(format!("{builder:?}").contains("Reject, hooks: true"));
    let registry = builder.build();
    let mut setup = registering();
    let taking = setup.take_over(&registry, 1, ()).deadline(async {});
    assert!(format!("{taking:?}").contains("state: Registering"));
    assert!(format!("{taking:?}").contains("deadline: true"));
    assert!(format!("{:?}", Scope::new().drained()).contains("Drained"));
}

#[test]
fn work_and_builders_of_deadlines_show_what_they_are() {
    use std::time::Duration;

    let task = live().track(async {});
    assert!(format!("{task:?}").contains("Tracked"));
    let deadlines = Deadlines::new().idle(Duration::from_secs(7));
    let builder = Scope::builder().deadlines(deadlines);
    let shown = format!("{builder:?}");
    assert!(shown.contains("idle: Some(7s)") && shown.contains("runtime: false"));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn heartbeats_show_their_source_and_their_period() {
    use std::time::Duration;

    let mut shown = String::new();
    let stream = live()
        .stream(futures::stream::pending())
        .heartbeat(Duration::from_secs(7), || 1)
        .unwrap()
        .map_inner(|source| {
            shown = format!("{source:?}");
            source
        });
    drop(stream);
    assert!(shown.contains("Heartbeat") && shown.contains("Pending") && shown.contains("7s"));

    #[cfg(feature = "http-body")]
    {
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        let body = live().body(body).heartbeat(Duration::from_secs(7)).unwrap();
        drop(body.map_inner(|body| {
            shown = format!("{body:?}");
            body
        }));
        assert!(shown.contains("SseHeartbeat") && shown.contains("7s"));
    }
}

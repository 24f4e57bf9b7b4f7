//! What a set-up sees of its claim.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangup::CloseReason;
use hangup::runtime::Runtime;
use hangup_cluster::memory::Fate;
use hangup_cluster::memory::Method;
use hangup_cluster::{ClaimError, OnLapse, Predecessor, RegisteringExt};

use crate::explore::every;
use crate::setting::{LEASE, Setting, end};

#[test]
fn a_reconnect_on_the_same_node_waits_for_the_undo_as_well() {
    let setting = Setting::new(1);
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let new = setting.connect(0);
    setting.pass(Duration::from_millis(100));
    assert_eq!(
        old.handle.try_settled().unwrap().closed.reason,
        CloseReason::Superseded
    );
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn r43_an_undo_that_was_given_up_is_not_told_as_settled() {
    let setting = Setting::new(2);
    let old = setting.connect_undone_after(0, OnLapse::Close, Duration::from_secs(5));
    setting.pass(Duration::from_millis(1));
    let new = setting.connect(1);
    // The scope gives an undo up after a second.
    setting.pass(Duration::from_secs(3));
    assert_eq!(old.handle.try_settled().unwrap().abandoned, ["leave"]);
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Unsettled);
    // What the next one sees is what this one has done.
    let next = setting.connect(0);
    setting.pass(Duration::from_millis(500));
    assert_eq!(next.outcome.claim().predecessor(), Predecessor::Settled);
    setting.pass(Duration::from_secs(5));
    for connection in [&old, &new, &next] {
        end(&connection.handle, CloseReason::Aborted);
    }
}

#[test]
fn what_was_not_undone_is_remembered_until_a_successor_was_live() {
    let setting = Setting::new(2);
    let old = setting.connect_undone_after(0, OnLapse::Close, Duration::from_secs(5));
    setting.pass(Duration::from_millis(1));
    end(&old.handle, CloseReason::Aborted);
    setting.pass(Duration::from_secs(3));
    // A set-up that has the key, and fails before it is live: it may have reset nothing.
    let (cluster, scope) = (
        setting.nodes[1].cluster.clone(),
        setting.nodes[1].scope.clone(),
    );
    let predecessor = setting.block_on(async move {
        let mut setup = scope.open().unwrap().register().unwrap();
        let key = cluster.key("worker", "ada").unwrap();
        setup.claim(&key).await.unwrap().predecessor()
    });
    assert_eq!(predecessor, Predecessor::Unsettled);
    setting.pass(LEASE * 3);
    let next = setting.connect(1);
    setting.pass(Duration::from_millis(500));
    assert_eq!(next.outcome.claim().predecessor(), Predecessor::Unsettled);
    end(&next.handle, CloseReason::Aborted);
    setting.pass(LEASE * 3);
    let last = setting.connect(0);
    setting.pass(Duration::from_millis(500));
    assert_eq!(last.outcome.claim().predecessor(), Predecessor::Settled);
}

#[test]
fn an_owner_that_does_not_settle_in_time_is_said() {
    let setting = Setting::new(2);
    let old = setting.connect_undone_after(0, OnLapse::Close, Duration::from_millis(800));
    setting.pass(Duration::from_millis(1));
    let (cluster, scope) = (
        setting.nodes[1].cluster.clone(),
        setting.nodes[1].scope.clone(),
    );
    let errors = setting.block_on(async move {
        let mut setup = scope.open().unwrap().register().unwrap();
        let key = cluster.key("worker", "ada").unwrap();
        let first = setup.claim(&key).deadline(Duration::from_millis(300)).await;
        // It is the same connection that tries again.
        let second = setup.claim(&key).await;
        let third = setup.claim(&key).await;
        (
            first.unwrap_err(),
            second.map(|claim| claim.predecessor()),
            third.unwrap_err(),
        )
    });
    let (first, second, third) = errors;
    assert!(matches!(first, ClaimError::Unsettled { .. }), "{first}");
    assert!(first.retry_after().is_some());
    assert_eq!(second.unwrap(), Predecessor::Settled);
    assert!(matches!(third, ClaimError::AlreadyClaimed), "{third}");
    setting.pass(LEASE);
    setting.assert_nothing_is_left(&[old]);
}

#[test]
fn a_claim_that_is_dropped_at_any_point_is_withdrawn_and_can_be_tried_again() {
    let runs = every(|choices| {
        let setting = Setting::new(2);
        let old = setting.connect(0);
        setting.pass(Duration::from_millis(1));
        setting.queue.hold(true);
        let (cluster, scope) = (
            setting.nodes[1].cluster.clone(),
            setting.nodes[1].scope.clone(),
        );
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let claimed = Arc::new(Mutex::new(None));
        let into = Arc::clone(&claimed);
        let world = setting.world.process(2);
        world.clone().spawn(async move {
            let mut setup = scope.open().unwrap().register().unwrap();
            let key = cluster.key("worker", "ada").unwrap();
            let was_dropped = {
                let claiming = setup.claim(&key).into_future();
                let ended = futures::future::select(claiming, stopped).await;
                matches!(ended, futures::future::Either::Right(_))
            };
            if was_dropped {
                let again = setup.claim(&key).await;
                *into.lock().unwrap() = Some(again.map(|claim| claim.predecessor()));
            }
            let live = setup.go_live().unwrap();
            world.sleep(LEASE).await;
            drop(live);
        });
        let events: Vec<Box<dyn FnOnce()>> =
            vec![Box::new(move || stop.send(()).unwrap_or_default())];
        setting.run_in_order(choices, LEASE / 4, events);
        if let Some(claimed) = claimed.lock().unwrap().take() {
            assert_eq!(claimed.unwrap(), Predecessor::Settled);
        }
        setting.queue.hold(false);
        setting.pass(LEASE * 2);
        setting.assert_nothing_is_left(&[old]);
    });
    assert!(runs > 5, "{runs}");
}

#[test]
fn without_any_hint_a_key_is_handed_over_all_the_same() {
    let setting = Setting::new(2);
    for node in &setting.nodes {
        node.link.fates(|call| match call.method {
            Method::Send => Fate::Lose { applied: false },
            _ => Fate::Answer,
        });
    }
    let old = setting.connect(0);
    setting.pass(Duration::from_millis(1));
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(500));
    // Nothing tells the owner, so nothing ends it.
    assert!(old.handle.state().is_live());
    end(&old.handle, CloseReason::Dropped);
    setting.pass(Duration::from_millis(500));
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[old, new]);
}

#[test]
fn what_is_older_than_the_claim_is_undone_before_a_successor_comes_as_well() {
    let setting = Setting::new(2);
    let (cluster, scope) = (
        setting.nodes[0].cluster.clone(),
        setting.nodes[0].scope.clone(),
    );
    let undone = Arc::new(Mutex::new(false));
    let flag = Arc::clone(&undone);
    let world = setting.world.process(1);
    world.clone().spawn(async move {
        let mut setup = scope.open().unwrap().register().unwrap();
        let undo = move || async move {
            world.sleep(Duration::from_millis(200)).await;
            *flag.lock().unwrap() = true;
        };
        setup.on_close_async("older", undo).unwrap();
        setup
            .claim(&cluster.key("worker", "ada").unwrap())
            .await
            .unwrap();
        let live = setup.go_live().unwrap();
        live.handle().closed().await;
    });
    setting.pass(Duration::from_millis(1));
    let new = setting.connect(1);
    setting.pass(Duration::from_millis(150));
    assert!(new.outcome.get().is_none());
    setting.pass(Duration::from_millis(150));
    assert!(*undone.lock().unwrap());
    assert_eq!(new.outcome.claim().predecessor(), Predecessor::Settled);
    setting.assert_nothing_is_left(&[new]);
}

//! User code panics, re-enters the kit or is dropped at awkward moments.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use futures::future::select;
use futures::stream;
use hangup_test::{Client, Fault, Race, Signal, Trial, abort_everywhere};

use crate::on_drop::OnDrop;

#[test]
fn a_dropped_response_is_not_being_streamed() {
    let handler = |trial: Trial, client: Client| async move {
        let permit = trial.ledger().permit("stream permit");
        let mut timer = trial.timer("maximum age");
        let response = Box::pin(client.respond(stream::pending::<()>()));
        drop(select(timer.tick(), response).await);
        drop(permit);
        trial.point("write the log").await;
    };
    abort_everywhere(Trial::clone, handler).check();
}

#[test]
fn a_successor_that_waits_for_ever_lacks_a_resource() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(tokio::sync::Semaphore::new(1)));
    type Server = (Trial, Arc<tokio::sync::Semaphore>);
    // The permit is given back where the handler ends, and nowhere else.
    let handler = |(trial, lock): Server, client: Client| async move {
        lock.acquire().await.unwrap().forget();
        trial.point("authenticate").await;
        trial.ledger().show("workers");
        let _hide = OnDrop(|| trial.ledger().hide("workers"));
        client.respond(stream::pending::<()>()).await;
        lock.add_permits(1);
    };
    let report = abort_everywhere(server, handler).only("1:successor@1");
    let report = report.explore().unwrap();
    let waits = |fault: &Fault| matches!(fault, Fault::Missing { name, .. } if name == "workers");
    assert!(
        report.failures().iter().any(|it| waits(it.fault())),
        "{report}"
    );
    assert_eq!(report.races().into_iter().collect::<Vec<_>>(), [Race::R8]);
}

#[test]
fn a_probe_that_panics_is_a_fault_of_its_case() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(Mutex::new(0)));
    let handler = |(trial, count): (Trial, Arc<Mutex<u32>>), client: Client| async move {
        trial.point("authenticate").await;
        let _poisons = OnDrop(|| {
            let mut count = count.lock().unwrap_or_else(|it| it.into_inner());
            *count += 1;
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(server, handler)
        .resource("count", |(_, count)| {
            assert_eq!(*count.lock().unwrap(), 0, "the count is off");
            0
        })
        .only("2:dropped")
        .explore()
        .unwrap();
    let text = report.to_string();
    assert!(text.contains("the count is off"), "{text}");
    assert_eq!(report.failing(), 1);
}

#[test]
fn every_task_is_dropped_even_if_a_drop_panics() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let server = move |trial: &Trial| {
        for _ in 0..2 {
            let held = Arc::clone(&held);
            let kept = trial.clone();
            trial.spawn(async move {
                let _panics = OnDrop(|| panic!("when the server goes"));
                pending::<()>().await;
                drop((held, kept));
            });
        }
        trial.clone()
    };
    let handler = |trial: Trial, _| async move { trial.point("wait").await };
    let report = abort_everywhere(server, handler)
        .only("1:dropped")
        .explore();
    assert!(report.is_ok());
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn an_environment_may_spawn_on_the_runtime_when_it_is_dropped() {
    #[derive(Clone)]
    struct App(#[expect(dead_code, reason = "dropped")] Arc<OnDrop<fn()>>);

    let spawns: fn() = || drop(tokio::spawn(async {}));
    let server = move |_: &Trial| App(Arc::new(OnDrop(spawns)));
    let handler = |_: App, _| async { tokio::task::yield_now().await };
    abort_everywhere(server, handler).on_tokio().check();
}

#[test]
fn every_listener_is_called_even_if_one_panics() {
    let signal = Signal::new();
    let called = Arc::new(Mutex::new(Vec::new()));
    for number in 1..=3 {
        let called = Arc::clone(&called);
        signal.listen(move || {
            called.lock().unwrap().push(number);
            assert_ne!(number, 1, "the first one panics");
        });
    }
    let fired = catch_unwind(AssertUnwindSafe(|| signal.fire()));
    assert!(fired.is_err(), "whoever fires is told");
    assert_eq!(*called.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn a_listener_may_use_its_own_signal() {
    let signal = Signal::new();
    let own = signal.clone();
    signal.listen(move || {
        assert!(own.has_fired());
        let late = own.listen(|| unreachable!("it has fired"));
        own.unlisten(late);
        own.fire();
    });
    signal.fire();
}

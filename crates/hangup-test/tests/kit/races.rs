//! Races for which the corpus has no handler.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use futures::stream;
use hangup_test::{Client, Ending, Failure, Party, Race, Report, Signal, Trial, abort_everywhere};

use crate::on_drop::OnDrop;

fn races(report: &Report) -> Vec<Race> {
    report.races().into_iter().collect()
}

#[test]
fn r5_abort_between_the_last_check_and_the_add() {
    let handler = |trial: Trial, client: Client| async move {
        let aborted = client.signal();
        trial.point("authenticate").await;
        if aborted.has_fired() {
            return;
        }
        trial.point("lock the writers").await;
        trial.ledger().acquire("writer");
        let ledger = trial.ledger().clone();
        aborted.listen(move || ledger.release("writer"));
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert!(races(&report).contains(&Race::R5), "{report}");
}

#[test]
fn r7_several_triggers_fire() {
    let handler = |trial: Trial, client: Client| async move {
        struct Leave(Trial);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.ledger().release("gauge");
            }
        }

        trial.ledger().acquire("gauge");
        let _leave = Leave(trial.clone());
        let ledger = trial.ledger().clone();
        client.signal().listen(move || ledger.release("gauge"));
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert_eq!(races(&report), [Race::R7], "{report}");
}

#[test]
fn r12_panic_in_set_up() {
    let handler = |trial: Trial, client: Client| async move {
        let ledger = trial.ledger().clone();
        ledger.acquire("file");
        // A drop guard that does nothing during a panic.
        struct Release(Trial);
        impl Drop for Release {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    self.0.ledger().release("file");
                }
            }
        }
        let _release = Release(trial.clone());
        trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert_eq!(races(&report), [Race::R12], "{report}");
}

#[test]
fn r14_shutdown_with_open_streams() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(Mutex::new(0)), Signal::new());
    let handler = |(trial, open, ended): (Trial, Arc<Mutex<u32>>, Signal), client: Client| {
        *open.lock().unwrap() += 1;
        async move {
            struct Leave(Arc<Mutex<u32>>, Signal);
            impl Drop for Leave {
                fn drop(&mut self) {
                    *self.0.lock().unwrap() -= 1;
                    self.1.fire();
                }
            }
            let _leave = Leave(open, ended);
            trial.point("authenticate").await;
            client.respond(stream::pending::<()>()).await;
        }
    };
    // Waits for the last connection, and tells no connection to end.
    let shutdown = |(_, open, ended): (Trial, Arc<Mutex<u32>>, Signal)| async move {
        if *open.lock().unwrap() > 0 {
            ended.fired().await;
        }
    };
    let report = abort_everywhere(server, handler)
        .shutdown(shutdown)
        .explore()
        .unwrap();
    // The connection may have been in its set-up when the others were told.
    assert_eq!(races(&report), [Race::R14, Race::R15], "{report}");
}

#[test]
fn r19_closing_normally_under_a_long_lived_signal() {
    let server = |trial: &Trial| (trial.clone(), trial.signal("shutdown"));
    let handler = |(trial, shutdown): (Trial, Signal), _| async move {
        shutdown.listen(|| ());
        trial.point("say all there is").await;
    };
    let report = abort_everywhere(server, handler).explore().unwrap();
    assert_eq!(races(&report), [Race::R19], "{report}");
    assert!(
        report.failures()[0].ending().is_none(),
        "it closed normally"
    );

    // One listener is removed by hand, one is removed with its future.
    let handler = |(trial, shutdown): (Trial, Signal), _| async move {
        let listener = shutdown.listen(|| ());
        let mut fired = Box::pin(shutdown.fired());
        let point = trial.point("say all there is");
        futures::future::select(&mut fired, Box::pin(point)).await;
        shutdown.unlisten(listener);
    };
    let report = abort_everywhere(server, handler).explore().unwrap();
    // It is still registered if the future is dropped before the removal.
    assert!(
        report.failures().iter().all(|it| it.ending().is_some()),
        "{report}"
    );
}

#[test]
fn r22_quiet_producer() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(Mutex::new(false)));
    let handler = |(_, closed): (Trial, Arc<Mutex<bool>>), client: Client| async move {
        // Checks for the close only when it has something to send.
        let events = stream::poll_fn(move |_| match *closed.lock().unwrap() {
            true => std::task::Poll::Ready(None::<()>),
            false => std::task::Poll::Pending,
        });
        client.respond(events).await;
    };
    let close = |(_, closed): (Trial, Arc<Mutex<bool>>)| async move {
        *closed.lock().unwrap() = true;
        true
    };
    let report = abort_everywhere(server, handler)
        .close(close)
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R22], "{report}");
}

#[test]
fn visible_before_it_is_live() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().show("workers");
        trial.point("authenticate").await;
        client.live();
        pending::<()>().await;
    };
    let report = abort_everywhere(Trial::clone, handler)
        .only("2:dropped")
        .explore();
    let text = report.unwrap().to_string();
    assert!(
        text.contains("visible in `workers` and is not live"),
        "{text}"
    );
}

#[test]
fn r6_a_resource_that_is_acquired_after_its_undo() {
    let handler = |trial: Trial, client: Client| async move {
        let ledger = trial.ledger().clone();
        ledger.acquire("subscription");
        let gone = ledger.clone();
        client.signal().listen(move || gone.release("subscription"));
        trial.point("renew the subscription").await;
        ledger.release("subscription");
        ledger.acquire("subscription");
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert!(races(&report).contains(&Race::R6), "{report}");
}

#[test]
fn r7_a_gauge_that_wraps_below_zero() {
    let server = |_: &Trial| Arc::new(AtomicUsize::new(0));
    let handler = |gauge: Arc<AtomicUsize>, client: Client| async move {
        gauge.fetch_add(1, SeqCst);
        let lessened = Arc::clone(&gauge);
        let _leave = OnDrop(move || {
            lessened.fetch_sub(1, SeqCst);
        });
        client.signal().listen(move || {
            gauge.fetch_sub(1, SeqCst);
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(server, handler)
        .resource("gauge", |gauge| gauge.load(SeqCst))
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R7], "{report}");
}

#[test]
fn r8_the_newcomer_gives_up_and_the_place_is_lost() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(Mutex::new(None)));
    type Server = (Trial, Arc<Mutex<Option<Party>>>);
    let handler = |(trial, place): Server, client: Client| async move {
        let own = client.party();
        *place.lock().unwrap() = Some(own);
        let _leave = OnDrop(|| {
            let mut place = place.lock().unwrap();
            if *place == Some(own) {
                *place = None;
            }
        });
        trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(server, handler)
        .entry("place", |(_, place)| place.lock().unwrap().is_some())
        .explore()
        .unwrap();
    let visited = |it: &Failure| matches!(it.ending(), Some(Ending::Visitor(_)));
    assert!(report.failures().iter().any(visited), "{report}");
    assert_eq!(races(&report), [Race::R8], "{report}");
}

#[test]
fn r22_a_close_that_never_returns() {
    let report = abort_everywhere(Trial::clone, |trial: Trial, client: Client| async move {
        trial.point("authenticate").await;
        client.respond(stream::pending::<()>()).await;
    })
    .close(|_| pending::<bool>())
    .explore()
    .unwrap();
    assert_eq!(races(&report), [Race::R22], "{report}");
}

#[test]
fn r8_the_successor_comes_between_the_check_and_the_removal() {
    let server = |trial: &Trial| (trial.clone(), Arc::new(Mutex::new(None)));
    type Server = (Trial, Arc<Mutex<Option<Party>>>);
    let handler = |(trial, place): Server, client: Client| async move {
        let own = client.party();
        *place.lock().unwrap() = Some(own);
        let _leave = OnDrop(|| {
            let (place, lock) = (Arc::clone(&place), trial.clone());
            trial.spawn(async move {
                lock.point("read the place").await;
                if *place.lock().unwrap() == Some(own) {
                    lock.point("lock the place").await;
                    *place.lock().unwrap() = None;
                }
            });
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(server, handler)
        .resource("place", |(_, place)| {
            usize::from(place.lock().unwrap().is_some())
        })
        .explore()
        .unwrap();
    let by_successor = |it: &Failure| matches!(it.ending(), Some(Ending::Successor(_)));
    assert!(report.failures().iter().any(by_successor), "{report}");
    assert_eq!(races(&report), [Race::R9], "{report}");
}

#[test]
fn r12_panic_in_an_undo() {
    let handler = |trial: Trial, client: Client| async move {
        trial.ledger().acquire("file");
        let _release = OnDrop(|| {
            tell_the_others();
            trial.ledger().release("file");
        });
        client.respond(stream::pending::<()>()).await;
    };
    let report = abort_everywhere(Trial::clone, handler).explore().unwrap();
    assert_eq!(races(&report), [Race::R12], "{report}");
    // A second panic during the first would abort the process.
    let by_panic = |it: &Failure| it.ending() == Some(&Ending::Panic);
    assert!(!report.failures().iter().any(by_panic), "{report}");
}

fn tell_the_others() {
    panic!("nobody is there");
}

#[test]
fn r15_open_racing_shutdown() {
    let server = |trial: &Trial| (trial.clone(), Signal::new(), Arc::new(AtomicUsize::new(0)));
    type Server = (Trial, Signal, Arc<AtomicUsize>);
    let handler = |(trial, ending, live): Server, client: Client| async move {
        trial.point("authenticate").await;
        live.fetch_add(1, SeqCst);
        let _leave = OnDrop(|| {
            live.fetch_sub(1, SeqCst);
        });
        let closed = Signal::new();
        let closing = closed.clone();
        ending.listen(move || closing.fire());
        let response = Box::pin(client.respond(stream::pending::<()>()));
        futures::future::select(response, closed.fired()).await;
    };
    // Closes the connections that are in the table, and waits until it is empty.
    let shutdown = |(trial, ending, live): Server| async move {
        ending.fire();
        while live.load(SeqCst) > 0 {
            trial.point("is there still one?").await;
        }
    };
    let report = abort_everywhere(server, handler)
        .shutdown(shutdown)
        .explore()
        .unwrap();
    assert_eq!(races(&report), [Race::R15], "{report}");
}

//! What the endings do to a handler behind a connection.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use futures::{StreamExt, stream};
use hangup_test::serve::ServerEnd;
use hangup_test::{Client, Ending, Failure, Fault, Race, Signal, Trial, abort_everywhere};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::Unwinds;

#[test]
fn a_handler_behind_a_connection_panics_at_its_point() {
    async fn handler(State((trial, unwound)): State<(Trial, Arc<AtomicUsize>)>) {
        let _unwinds = Unwinds(unwound);
        trial.point("load the backlog").await;
        pending::<()>().await;
    }
    let unwound = Arc::<AtomicUsize>::default();
    let counts = Arc::clone(&unwound);
    let seen = Rc::<RefCell<usize>>::default();
    let sees = Rc::clone(&seen);
    let server = move |trial: &Trial| (trial.clone(), Arc::clone(&counts));
    let script = move |state: (Trial, Arc<AtomicUsize>), client: Client| {
        let sees = Rc::clone(&sees);
        async move {
            let routes = Router::new().route("/", get(handler)).with_state(state);
            // The client is not dropped, so it sees that the connection is lost.
            if client.serve(routes).get("/").await.is_err() {
                *sees.borrow_mut() += 1;
            }
        }
    };
    let report = abort_everywhere(server, script).on_tokio().check();
    let at = |it: &String| it == "a task at load the backlog";
    assert!(report.points().iter().any(at), "{:?}", report.points());
    // Once in each order at most, and nowhere else.
    let unwound = unwound.load(Ordering::Relaxed);
    assert!((1..=2).contains(&unwound), "{unwound}");
    assert_eq!(*seen.borrow(), unwound);
}

#[test]
fn a_handler_is_dropped_while_it_waits_at_its_point() {
    async fn handler(State(trial): State<Trial>) -> &'static str {
        trial.ledger().acquire("lock");
        trial.point("ask the database").await;
        trial.ledger().release("lock");
        "done"
    }
    let script = |trial: Trial, client: Client| async move {
        let routes = Router::new().route("/", get(handler)).with_state(trial);
        let response = client.serve(routes).get("/").await?;
        client.respond(response.into_body()).await;
        Ok::<_, hyper::Error>(())
    };
    let report = abort_everywhere(Trial::clone, script)
        .on_tokio()
        .explore()
        .unwrap();
    let dropped = |it: &&Failure| it.ending() == Some(&Ending::Dropped);
    let failure = report.failures().iter().find(dropped).expect("a leak");
    assert_eq!(failure.point().1, "a task at ask the database", "{report}");
    assert_eq!(failure.race(), Some(Race::R13), "{report}");
}

#[test]
fn a_permit_may_be_given_back_before_the_client_has_read_the_end() {
    let script = |trial: Trial, client: Client| async move {
        let handler = move || async move {
            let permit = trial.ledger().permit("slot");
            let items = stream::iter([Ok::<_, std::io::Error>("one"), Ok("two")]);
            Body::from_stream(items.inspect(move |_| _ = &permit))
        };
        let routes = Router::new().route("/", get(handler));
        let response = client.serve_with_capacity(64, routes).get("/").await?;
        client.respond(response.into_body()).await;
        Ok::<_, hyper::Error>(())
    };
    let report = abort_everywhere(Trial::clone, script).on_tokio().check();
    let points = report.points();
    assert!(points.iter().any(|it| it == "item 2"), "{points:?}");
}

#[test]
fn a_permit_that_is_given_back_at_the_head_is_r25() {
    // The body never ends, and its server has nothing more to say.
    let script = |trial: Trial, client: Client| async move {
        let handler = move || async move {
            drop(trial.ledger().permit("slot"));
            Body::from_stream(stream::pending::<Result<String, std::io::Error>>())
        };
        let routes = Router::new().route("/", get(handler));
        let response = client.serve(routes).get("/").await?;
        client.respond(response.into_body()).await;
        Ok::<_, hyper::Error>(())
    };
    let tried = abort_everywhere(Trial::clone, script).on_tokio();
    let report = tried.explore().unwrap();
    assert!(report.races().contains(&Race::R25), "{report}");
}

#[test]
fn a_statement_of_a_handler_behind_a_connection_is_a_point() {
    // The entry is added after the last look at the close.
    #[derive(Clone)]
    struct App(Trial, Arc<Mutex<bool>>);
    async fn handler(State(App(trial, closed)): State<App>) -> &'static str {
        trial.point("authenticate").await;
        if *closed.lock().unwrap() {
            return "closed";
        }
        trial.here("between the look and the add");
        trial.ledger().acquire("writer");
        pending().await
    }
    let server = |trial: &Trial| App(trial.clone(), Arc::default());
    let script = |app: App, client: Client| async move {
        let routes = Router::new().route("/", get(handler)).with_state(app);
        let _: Result<_, _> = client.serve(routes).get("/").await;
    };
    let tried = abort_everywhere(server, script).close(|App(_, closed)| async move {
        *closed.lock().unwrap() = true;
        true
    });
    let report = tried.on_tokio().explore().unwrap();
    let at = |it: &&Failure| it.point().1 == "between the look and the add";
    let failure = report.failures().iter().find(at).expect("a failure");
    assert_eq!(failure.ending(), Some(&Ending::Closed), "{report}");
}

/// Drops the script of a server that shows its connection, and returns the faults.
fn shown<F>(server: fn(Trial, ServerEnd) -> F) -> Vec<String>
where
    F: Future<Output = ()> + 'static,
{
    let script = move |trial: Trial, client: Client| async move {
        let (mut pipe, connection) = client.pipe(16);
        let serving = server(trial.clone(), connection);
        trial.clone().spawn(async move {
            trial.ledger().show("writers");
            serving.await;
            trial.ledger().hide("writers");
        });
        pipe.read_u8().await
    };
    let report = abort_everywhere(Trial::clone, script)
        .only("2:dropped")
        .explore()
        .unwrap();
    assert!(report.points()[2].starts_with("a task at"), "{report}");
    let failures = report.failures().iter();
    failures.map(|it| it.fault().to_string()).collect()
}

#[test]
fn a_connection_may_be_visible_until_the_server_has_read_its_end() {
    async fn reads(_: Trial, mut connection: ServerEnd) {
        let _: Result<_, _> = connection.read_u8().await;
    }
    async fn reads_later(trial: Trial, connection: ServerEnd) {
        trial.timer("work").tick().await;
        reads(trial, connection).await;
    }
    async fn reads_early(trial: Trial, connection: ServerEnd) {
        reads(trial.clone(), connection).await;
        trial.timer("work").tick().await;
    }
    async fn never_reads(_: Trial, connection: ServerEnd) {
        pending::<()>().await;
        drop(connection);
    }
    assert!(shown(reads).is_empty());
    assert!(shown(reads_later).is_empty());
    let visible = "the connection is visible in `writers` and is not live";
    assert_eq!(shown(reads_early), [visible]);
    let left = "the entry in `writers` is left by the connection";
    assert_eq!(shown(never_reads)[0], left);
}

/// `server` returns once it knows that its client has gone.
fn acquired_after<F>(server: fn(ServerEnd) -> F)
where
    F: Future<Output = ServerEnd> + 'static,
{
    let script = move |trial: Trial, client: Client| async move {
        let (pipe, connection) = client.pipe(16);
        let ledger = trial.ledger().clone();
        trial.spawn(async move {
            let _connection = server(connection).await;
            ledger.acquire("session");
        });
        pending::<()>().await;
        drop(pipe);
    };
    let report = abort_everywhere(Trial::clone, script)
        .only("2:dropped")
        .explore()
        .unwrap();
    let [failure] = report.failures() else {
        panic!("{report}")
    };
    let told = "`session` is left, acquired for the connection after its end";
    assert_eq!(failure.fault().to_string(), told);
    assert_eq!(failure.race(), Some(Race::R1), "{report}");
}

#[test]
fn what_is_acquired_after_the_server_knows_of_the_end_is_r1() {
    acquired_after(|mut connection| async move {
        let _: Result<_, _> = connection.read_u8().await;
        connection
    });
    acquired_after(|mut connection| async move {
        while connection.write_u8(0).await.is_ok() {}
        connection
    });
}

#[test]
fn a_pipe_that_a_task_has_is_cut_with_its_script() {
    let script = |trial: Trial, client: Client| async move {
        let (mut pipe, mut connection) = client.pipe(16);
        trial.spawn(async move {
            // It does not know of its script.
            let _: Result<_, _> = pipe.write_all(b"hello").await;
            let _: Result<_, _> = pipe.read_u8().await;
        });
        trial.spawn(async move {
            let mut all = Vec::new();
            let _: Result<_, _> = connection.read_to_end(&mut all).await;
        });
        trial.point("connected").await;
        client.reads().await;
        trial.point("reads").await;
        pending::<()>().await;
    };
    let tried = abort_everywhere(Trial::clone, script).shutdown(|_| async {});
    let report = tried.explore().unwrap();
    let ended = |it: &&Failure| it.ending() == Some(&Ending::Dropped);
    assert!(!report.failures().iter().any(|it| ended(&it)), "{report}");
    assert!(
        report.endings().contains(&Ending::StalledAtShutdown),
        "{report}"
    );
}

/// Returns what the client has read of three bytes when `case` is over, and the points.
fn read_in(case: Option<String>) -> (Vec<u8>, Vec<String>) {
    let read = Rc::<RefCell<Vec<u8>>>::default();
    let reads = Rc::clone(&read);
    let script = move |trial: Trial, client: Client| {
        let reads = Rc::clone(&reads);
        async move {
            reads.borrow_mut().clear();
            let (mut pipe, mut connection) = client.pipe(1);
            trial.spawn(async move {
                let written = connection.write_all(&[1, 2, 3]).await;
                if written.is_ok() {
                    let _: Result<_, _> = connection.read_u8().await;
                }
            });
            while let Ok(byte) = pipe.read_u8().await {
                reads.borrow_mut().push(byte);
                trial.point(format!("byte {byte}")).await;
            }
        }
    };
    let mut tried = abort_everywhere(Trial::clone, script).shutdown(|_| async {});
    if let Some(case) = case {
        tried = tried.only(case);
    }
    let report = tried.explore().unwrap();
    (read.take(), report.points().to_vec())
}

#[test]
fn a_pipe_is_not_read_once_its_client_has_stopped() {
    let (_, points) = read_in(None);
    let point = points.iter().position(|it| it == "byte 1");
    let stalled = format!("{}:stalled at shutdown", point.expect("a point"));
    assert_eq!(read_in(Some(stalled)).0, [1]);
    let point = points.iter().position(|it| it == "byte 3");
    let stalled = format!("{}:stalled at shutdown", point.expect("a point"));
    assert_eq!(read_in(Some(stalled)).0, [1, 2, 3]);
}

/// Its connections count before they can be told to end.
#[derive(Clone)]
struct Late {
    trial: Trial,
    sessions: Arc<AtomicUsize>,
    ends: Arc<Mutex<Vec<Signal>>>,
}

struct Session(Arc<AtomicUsize>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_connection_that_goes_live_while_the_shutdown_waits_for_it_is_r15() {
    async fn handler(State(late): State<Late>) -> Body {
        late.sessions.fetch_add(1, Ordering::Relaxed);
        let session = Session(Arc::clone(&late.sessions));
        late.trial.point("authenticate").await;
        let closed = Signal::new();
        late.ends.lock().unwrap().push(closed.clone());
        let items = stream::pending::<Result<String, std::io::Error>>();
        let items = items.take_until(closed.fired());
        Body::from_stream(items.inspect(move |_| _ = &session))
    }
    let server = |trial: &Trial| Late {
        trial: trial.clone(),
        sessions: Arc::default(),
        ends: Arc::default(),
    };
    let script = |late: Late, client: Client| async move {
        let routes = Router::new().route("/", get(handler)).with_state(late);
        let response = client.serve(routes).get("/").await?;
        client.respond(response.into_body()).await;
        Ok::<_, hyper::Error>(())
    };
    let tried = abort_everywhere(server, script).shutdown(|late| async move {
        let ends = late.ends.lock().unwrap().clone();
        ends.iter().for_each(Signal::fire);
        let mut timer = late.trial.timer("shutdown");
        while late.sessions.load(Ordering::Relaxed) > 0 {
            timer.tick().await;
        }
    });
    let report = tried.on_tokio().explore().unwrap();
    let mut failures = report.failures().iter();
    let at = |it: &&Failure| it.point().1 == "a task at authenticate";
    let live = failures.find(|it| at(it) && it.fault() == &Fault::LiveAfterShutdown);
    assert_eq!(live.and_then(Failure::race), Some(Race::R15), "{report}");
}

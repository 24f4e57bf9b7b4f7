//! A server of hyper by hand, without a framework: its own builders, over HTTP/1 and HTTP/2.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::Body;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use hangup_test::{AbortEverywhere, Client, Race, Signal, Trial, abort_everywhere};
use hyper::body::{Body as _, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::app::{App, Unwinds, check, hello, told};

type Outcome = Result<(), hyper::Error>;
type Answer = BoxFuture<'static, Result<Response<Body>, hangup::Error>>;

fn body() -> Body {
    Body::from_stream(hello().map(Ok::<_, Infallible>))
}

async fn over_http1<S>(answer: fn(S) -> Answer, server: S, client: Client) -> Outcome
where
    S: Clone + 'static,
{
    let (pipe, end) = client.pipe(256);
    let service = service_fn(move |_: Request<Incoming>| answer(server.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(end), service);
    client.trial().executor().execute(connection);
    let response = pipe.get("/").await?;
    client.respond(response.into_body()).await;
    Ok(())
}

/// The client's task is one of the trial too.
async fn over_http2<S>(answer: fn(S) -> Answer, server: S, client: Client) -> Outcome
where
    S: Clone + 'static,
{
    let (pipe, end) = client.pipe(256);
    let executor = client.trial().executor();
    let service = service_fn(move |_: Request<Incoming>| answer(server.clone()));
    let builder = http2::Builder::new(executor.clone());
    executor.execute(builder.serve_connection(TokioIo::new(end), service));
    let connecting = hyper::client::conn::http2::handshake(executor, TokioIo::new(pipe));
    let (mut sender, connection) = connecting.await?;
    client.trial().spawn(connection);
    let request = Request::get("http://localhost/").body(String::new());
    let response = sender.send_request(request.expect("it is valid")).await?;
    let mut body = response.into_body();
    let frames = stream::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
    client.respond(frames).await;
    Ok(())
}

fn on_hangup(app: App) -> Answer {
    Box::pin(async move {
        let live = app.set_up().await?.go_live()?;
        Ok(Response::new(Body::new(live.body(body()))))
    })
}

#[test]
fn a_server_on_hangup_is_clean_over_http1() {
    check("hyper, HTTP/1", |app, client| {
        over_http1(on_hangup, app, client)
    });
}

#[test]
fn a_server_on_hangup_is_clean_over_http2() {
    check("hyper, HTTP/2", |app, client| {
        over_http2(on_hangup, app, client)
    });
}

/// The newest connection under the only key, which ends the one before. Its guard removes
/// whichever is there, or its own.
#[derive(Clone)]
struct ByKey {
    newest: Arc<Mutex<Option<(u64, Signal)>>>,
    next: Arc<AtomicU64>,
    by_key: bool,
}

struct Remove(ByKey, u64);

impl Drop for Remove {
    fn drop(&mut self) {
        let Self(ByKey { newest, by_key, .. }, own) = self;
        let removed = newest.lock().unwrap().take_if(|it| *by_key || it.0 == *own);
        drop(removed);
    }
}

fn by_hand(server: ByKey) -> Answer {
    Box::pin(async move {
        let (own, closed) = (server.next.fetch_add(1, Ordering::Relaxed), Signal::new());
        let entry = (own, closed.clone());
        let before = server.newest.lock().unwrap().replace(entry);
        if let Some((_, before)) = before {
            before.fire();
        }
        let remove = Remove(server, own);
        let items = hello().map(Ok::<_, Infallible>).take_until(closed.fired());
        let items = items.inspect(move |_| _ = &remove);
        Ok(Response::new(Body::from_stream(items)))
    })
}

fn keyed(by_key: bool) -> AbortEverywhere<ByKey> {
    let server = move |_: &Trial| ByKey {
        newest: Arc::default(),
        next: Arc::default(),
        by_key,
    };
    let script = |server, client| over_http1(by_hand, server, client);
    abort_everywhere(server, script)
        .entry("newest", |it| it.newest.lock().unwrap().is_some())
        .on_tokio()
}

#[test]
fn a_guard_that_removes_by_key_is_r8() {
    let report = told("hyper, by key", Instant::now(), keyed(true));
    let races: Vec<_> = report.races().into_iter().collect();
    assert_eq!(races, [Race::R8], "{report}");
    let report = told("hyper, its own", Instant::now(), keyed(false));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_handler_on_a_stream_of_http2_panics_at_its_point() {
    fn waits((trial, unwound): (Trial, Arc<AtomicUsize>)) -> Answer {
        Box::pin(async move {
            let _unwinds = Unwinds(unwound);
            trial.point("load the backlog").await;
            pending().await
        })
    }
    let unwound = Arc::<AtomicUsize>::default();
    let counts = Arc::clone(&unwound);
    let server = move |trial: &Trial| (trial.clone(), Arc::clone(&counts));
    let script = |server, client| over_http2(waits, server, client);
    let tried = abort_everywhere(server, script).on_tokio();
    let report = told("hyper, a panic", Instant::now(), tried);
    assert!(report.is_clean(), "{report}");
    // Once in each order at most, and nowhere else.
    let unwound = unwound.load(Ordering::Relaxed);
    assert!((1..=2).contains(&unwound), "{unwound}");
}

//! What a handler does with its connection.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use hangup::layer::{Admit, Admitted};
use hangup::{CloseReason, Conflict, Error, Registry, Scope};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{events, frame, open, sse};

#[tokio::test]
async fn a_handler_joins_lends_once_and_takes() {
    let scope = Scope::new();
    let users = Registry::<String, ()>::new(Conflict::Reject);
    let admit = Admit::new(scope.clone());
    let app = |users: Registry<String, ()>| {
        let handler = async move |Extension(admitted): Extension<Admitted>| {
            let mut setup = admitted.setup().map_err(status)?;
            assert_eq!(admitted.setup().unwrap_err(), Error::NotInSetup);
            assert_eq!(admitted.take().unwrap_err(), Error::NotInSetup);
            setup
                .join(&users, "ada".to_owned(), ())
                .map_err(|error| status(error.into()))?;
            Ok::<_, StatusCode>(events())
        };
        axum::Router::new().route("/", axum::routing::get(handler))
    };
    let app = app(users.clone()).layer(admit);
    let first = app.clone().oneshot(sse()).await.unwrap();
    assert!(users.get("ada").is_some());
    let refused = app.clone().oneshot(sse()).await.unwrap();
    assert_eq!(refused.status(), 409);
    drop(first);
    assert!(users.get("ada").is_none());
    assert_eq!(open(&scope), 0);
}

fn status(error: Error) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap()
}

#[tokio::test]
async fn a_handler_that_takes_its_connection_streams_by_itself() {
    let scope = Scope::new();
    let handler = service_fn(|request: Request| {
        let admitted = request.extensions().get::<Admitted>().unwrap();
        let live = admitted.take().unwrap().go_live().unwrap();
        assert_eq!(admitted.setup().unwrap_err(), Error::NotInSetup);
        let body = live.stream(stream::pending::<Bytes>());
        let body = body.farewell(|_| Some(Bytes::from("mine")));
        let body = Body::from_stream(body.map(Ok::<_, Infallible>));
        let response = Response::builder().header("content-type", "text/event-stream");
        ready(Ok::<_, Infallible>(response.body(body).unwrap()))
    });
    let service = Admit::new(scope.clone()).layer(handler);
    let mut answer = service.oneshot(sse()).await.unwrap();
    assert_eq!(scope.stats().live, 1);
    scope.close_all(CloseReason::Shutdown);
    assert_eq!(frame(&mut answer).await.unwrap(), "mine");
    assert!(frame(&mut answer).await.is_none());
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn a_loan_that_outlives_the_answer_ends_the_connection() {
    let scope = Scope::new();
    let lent = Arc::new(std::sync::Mutex::new(None));
    let handler = service_fn({
        let lent = Arc::clone(&lent);
        move |request: Request| {
            let admitted = request.extensions().get::<Admitted>().unwrap();
            let setup = admitted.setup().unwrap();
            *lent.lock().unwrap() = Some((setup, admitted.clone()));
            ready(Ok::<_, Infallible>(events()))
        }
    });
    let service = Admit::new(scope.clone()).layer(handler);
    let answer = service.oneshot(sse()).await.unwrap();
    drop(answer);
    assert_eq!(scope.stats().registering, 1);
    let (setup, _admitted) = lent.lock().unwrap().take().unwrap();
    drop(setup);
    assert_eq!(open(&scope), 0);
}

#[tokio::test]
async fn a_client_that_vanishes_ends_also_what_a_handler_has_given_away() {
    for lends in [false, true] {
        let scope = Scope::new();
        let given = Arc::new(std::sync::Mutex::new(None));
        let handler = service_fn({
            let given = Arc::clone(&given);
            move |request: Request| {
                let admitted = request.extensions().get::<Admitted>().unwrap().clone();
                let setup = lends.then(|| admitted.setup().unwrap());
                *given.lock().unwrap() = Some((setup, admitted));
                pending::<Result<Response, Infallible>>()
            }
        });
        let mut call =
            tokio_test::task::spawn(Admit::new(scope.clone()).layer(handler).oneshot(sse()));
        tokio_test::assert_pending!(call.poll());
        let handle = scope.handles().pop().unwrap();
        drop(call);
        let closed = handle.state().closed().expect("it is closed");
        assert_eq!(closed.reason, CloseReason::Dropped);
        drop(given.lock().unwrap().take());
        assert_eq!(open(&scope), 0);
    }
}

#[tokio::test]
async fn a_close_does_not_stop_a_handler_that_has_taken_its_connection() {
    let scope = Scope::new();
    let goes_on = Arc::new(tokio::sync::Notify::new());
    let handler = service_fn({
        let goes_on = Arc::clone(&goes_on);
        move |request: Request| {
            let goes_on = Arc::clone(&goes_on);
            async move {
                let admitted = request.extensions().get::<Admitted>().unwrap();
                let _live = admitted.take().unwrap().go_live().unwrap();
                goes_on.notified().await;
                Ok::<_, Infallible>(Response::new(Body::from("mine")))
            }
        }
    });
    let mut call = tokio_test::task::spawn(Admit::new(scope.clone()).layer(handler).oneshot(sse()));
    tokio_test::assert_pending!(call.poll());
    scope.close_all(CloseReason::Shutdown);
    tokio_test::assert_pending!(call.poll());
    goes_on.notify_one();
    let mut answer = call.await.unwrap();
    assert_eq!(frame(&mut answer).await.unwrap(), "mine");
}

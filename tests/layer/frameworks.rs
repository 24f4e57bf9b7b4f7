//! The errors and the connection, in frameworks.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use hangup::layer::{Admit, Admitted};
use hangup::{Conflict, Error, Registry, Scope};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::world::{events, request, sse};

#[tokio::test]
async fn a_handler_of_axum_extracts_its_connection_and_answers_errors() {
    let users = Registry::<u8, ()>::new(Conflict::Reject);
    let scope = Scope::new();
    let stream = async move |admitted: Admitted| {
        admitted.setup()?.join(&users, 7, ())?;
        Ok::<_, Error>(events())
    };
    let both = async |admitted: Option<Admitted>| admitted.is_some().to_string();
    let app = Router::new()
        .route("/", get(stream))
        .route("/both", get(both))
        .layer(Admit::new(scope.clone()));
    let first = app.clone().oneshot(sse()).await.unwrap();
    assert_eq!(first.status(), 200);
    let second = app.clone().oneshot(sse()).await.unwrap();
    assert_eq!(second.status(), 409);
    let text = second.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "the key is taken\n");
    // A handler that streams alone is not for a client that does not ask for a stream.
    let document = app.clone().oneshot(request("GET", &[])).await.unwrap();
    assert_eq!(document.status(), 406);
    let document = Request::builder().uri("/both").body(Body::empty()).unwrap();
    let document = app.oneshot(document).await.unwrap();
    let text = document.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "false");
}

#[test]
fn errors_are_statuses_of_tonic() {
    use hangup::{KeyError, OpenError};
    use tonic::{Code, Status};

    let full = Status::from(OpenError::Full);
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert_eq!(full.message(), "the server is full");
    let taken = Status::from(Error::from(KeyError::Taken));
    assert_eq!(taken.code(), Code::AlreadyExists);
}

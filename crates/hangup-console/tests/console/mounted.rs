//! In a router of axum.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hangup::Scope;
use hangup_console::Console;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use tower::ServiceExt;

#[tokio::test]
async fn it_is_mounted_at_a_path() {
    let console = Console::builder(Scope::new()).allow(|_| true).build();
    let app = Router::new()
        .route("/", get(async || "the application"))
        .nest_service("/ops/console", console.service());
    for (path, status, kind) in [
        ("/ops/console", StatusCode::OK, "text/html; charset=utf-8"),
        ("/ops/console/", StatusCode::OK, "text/html; charset=utf-8"),
        ("/ops/console/events", StatusCode::OK, "text/event-stream"),
        (
            "/ops/console/end",
            StatusCode::METHOD_NOT_ALLOWED,
            "application/json",
        ),
        (
            "/ops/console/none",
            StatusCode::NOT_FOUND,
            "application/json",
        ),
        ("/", StatusCode::OK, "text/plain; charset=utf-8"),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], kind, "{path}");
    }
}

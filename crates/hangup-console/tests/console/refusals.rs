//! Bad input to every route is refused for what it is, and changes nothing.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{Method, Request, StatusCode};

use crate::world::{FORM, World, json};

/// Sends it, and sees it refused.
async fn refused(world: &World, request: Request<Body>, status: StatusCode, code: &str) {
    let what = format!("{request:?}");
    let what = &what[..what.len().min(300)];
    let answer = world.send(request).await;
    assert_eq!(answer.status(), status, "{what}");
    let no_store = &answer.headers()["cache-control"];
    assert_eq!(
        (no_store, &answer.headers()[CONTENT_TYPE]),
        (
            &"no-store".parse().unwrap(),
            &"application/json".parse().unwrap()
        )
    );
    let answer = json(answer).await;
    assert_eq!(answer["code"], code, "{what}");
    assert!(!answer["error"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_bad_query_opens_no_stream() {
    let world = World::new();
    let long = format!("filter={}", "a".repeat(241));
    let longer = format!("filter={}", "a".repeat(1018));
    let huge = format!("filter={}", "a".repeat(1_000_000));
    let bad = StatusCode::BAD_REQUEST;
    for (query, status, code) in [
        ("page=0", bad, "bad_field"),
        ("page=-1", bad, "bad_field"),
        ("page=%2B1", bad, "bad_field"),
        ("page=1.5", bad, "bad_field"),
        ("page=", bad, "bad_field"),
        ("page=one", bad, "bad_field"),
        ("page=99999999999999999999", bad, "bad_field"),
        ("page=1&page=2", bad, "bad_field"),
        ("sort=", bad, "bad_field"),
        ("sort=idle", bad, "bad_field"),
        ("sort=AGE", bad, "bad_field"),
        ("sort=age&sort=age", bad, "bad_field"),
        ("order=", bad, "bad_field"),
        ("order=sideways", bad, "bad_field"),
        ("filter=%FF", bad, "bad_field"),
        ("filter=a&filter=b", bad, "bad_field"),
        ("unknown=1", bad, "bad_field"),
        ("=", bad, "bad_field"),
        (&*long, bad, "bad_field"),
        (&*longer, StatusCode::URI_TOO_LONG, "long_query"),
        (&huge[..60_000], StatusCode::URI_TOO_LONG, "long_query"),
    ] {
        for path in ["/events", "/"] {
            let request = Request::get(format!("{path}?{query}"));
            refused(&world, request.body(Body::empty()).unwrap(), status, code).await;
        }
    }
    assert_eq!(world.console.streams().stats(), Default::default());
}

#[tokio::test]
async fn a_page_beyond_the_last_is_the_last() {
    let world = World::new();
    let _live = world.open("ada", "a");
    let view = world.view("page=18446744073709551615").await;
    assert_eq!(
        (&view["page"], &view["pages"], &view["matched"]),
        (&1.into(), &1.into(), &1.into())
    );
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let world = World::new();
    let live = world.open("ada", "a");
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ];
    for (path, takes) in [
        ("/", "GET"),
        ("/events", "GET"),
        ("/end", "POST"),
        ("/end-key", "POST"),
    ] {
        for method in methods.iter().filter(|method| **method != takes) {
            let method: Method = method.parse().unwrap();
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            let answer = world.send(request).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(answer.headers()[ALLOW], takes);
            assert_eq!(json(answer).await["code"], "wrong_method");
        }
    }
    for path in ["/end/", "/events/1", "//", "/index.html", "/..%2f", "/END"] {
        for method in ["GET", "POST"] {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            refused(&world, request, StatusCode::NOT_FOUND, "no_page").await;
        }
    }
    assert_eq!(live.handle().end(), None);
    assert_eq!(world.console.streams().stats(), Default::default());
}

#[tokio::test]
async fn a_bad_form_ends_nothing() {
    let world = World::new();
    let live = world.open("ada", "a");
    let (token, id) = (world.token().await, live.id());
    let other = World::new().token().await;
    let (bad, forbidden) = (StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN);
    let long = format!("token={token}&id={id}&{}", "a".repeat(4096));
    let gone = {
        let gone = world.open("gone", "a");
        gone.id()
    };
    for (path, form, status, code) in [
        ("/end", String::new(), bad, "bad_field"),
        ("/end", format!("id={id}"), bad, "bad_field"),
        ("/end", format!("token=&id={id}"), forbidden, "bad_token"),
        (
            "/end",
            format!("token={other}&id={id}"),
            forbidden,
            "bad_token",
        ),
        (
            "/end",
            format!("token={}&id={id}", &token[1..]),
            forbidden,
            "bad_token",
        ),
        (
            "/end",
            format!("token={token}0&id={id}"),
            forbidden,
            "bad_token",
        ),
        (
            "/end",
            format!("token={}&id={id}", token.to_uppercase() + "A"),
            forbidden,
            "bad_token",
        ),
        ("/end", format!("token={token}"), bad, "bad_field"),
        ("/end", format!("token={token}&id="), bad, "bad_field"),
        ("/end", format!("token={token}&id=-1"), bad, "bad_field"),
        (
            "/end",
            format!("token={token}&id=%2B{id}"),
            bad,
            "bad_field",
        ),
        ("/end", format!("token={token}&id={id}.0"), bad, "bad_field"),
        (
            "/end",
            format!("token={token}&id=18446744073709551616"),
            bad,
            "bad_field",
        ),
        (
            "/end",
            format!("token={token}&id={id}&id={id}"),
            bad,
            "bad_field",
        ),
        (
            "/end",
            format!("token={token}&token={token}&id={id}"),
            bad,
            "bad_field",
        ),
        (
            "/end",
            format!("token={token}&id={id}&all=1"),
            bad,
            "bad_field",
        ),
        ("/end", format!("token={token}&id=%FF"), bad, "bad_field"),
        (
            "/end",
            format!("token={token}&id=18446744073709551615"),
            StatusCode::NOT_FOUND,
            "no_connection",
        ),
        (
            "/end",
            format!("token={token}&id={gone}"),
            StatusCode::NOT_FOUND,
            "no_connection",
        ),
        ("/end", long, StatusCode::PAYLOAD_TOO_LARGE, "long_form"),
        (
            "/end-key",
            format!("token={other}&registry=workers&key=%22a%22"),
            forbidden,
            "bad_token",
        ),
        (
            "/end-key",
            format!("token={token}&registry=workers"),
            bad,
            "bad_field",
        ),
        (
            "/end-key",
            format!("token={token}&key=%22a%22"),
            bad,
            "bad_field",
        ),
        (
            "/end-key",
            format!("token={token}&registry=workers&key=a"),
            StatusCode::NOT_FOUND,
            "no_holder",
        ),
        (
            "/end-key",
            format!("token={token}&registry=&key=%22a%22"),
            StatusCode::NOT_FOUND,
            "no_holder",
        ),
        (
            "/end-key",
            format!("token={token}&registry=Workers&key=%22a%22"),
            StatusCode::NOT_FOUND,
            "no_holder",
        ),
    ] {
        let request = Request::post(path).header(CONTENT_TYPE, FORM);
        let request = request.body(form.into()).unwrap();
        refused(&world, request, status, code).await;
        assert_eq!(live.handle().end(), None);
    }
    let right = format!("token={token}&id={id}");
    for kind in [
        None,
        Some("text/plain"),
        Some("application/json"),
        Some("multipart/form-data; boundary=a"),
    ] {
        let mut request = Request::post("/end");
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(right.clone().into()).unwrap();
        refused(
            &world,
            request,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_type",
        )
        .await;
    }
    // The client goes away in the middle.
    let parts = [Ok(Bytes::from(right)), Err(io::Error::other("gone"))];
    let request = Request::post("/end").header(CONTENT_TYPE, FORM);
    let request = request
        .body(Body::from_stream(stream::iter(parts)))
        .unwrap();
    refused(&world, request, bad, "broken_form").await;
    assert_eq!(live.handle().end(), None);
}

#[tokio::test]
async fn a_request_of_another_site_is_refused() {
    let world = World::new();
    let live = world.open("ada", "a");
    let form = format!("token={}&id={}", world.token().await, live.id());
    let sites: [&[(&str, &str)]; 9] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://ops.example"),
        ],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "https://ops.example.evil.example")],
        &[("origin", "https://ops.example:444")],
    ];
    for headers in sites {
        for path in ["/end", "/events"] {
            let mut request = match path {
                "/end" => Request::post(path),
                _ => Request::get(path),
            };
            request = request
                .header(HOST, "ops.example")
                .header(CONTENT_TYPE, FORM);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(form.clone().into()).unwrap();
            refused(&world, request, StatusCode::FORBIDDEN, "other_site").await;
        }
    }
    // Without a name there is nothing to compare with.
    let request = Request::post("/end").header(CONTENT_TYPE, FORM);
    let request = request.header(ORIGIN, "https://ops.example");
    let request = request.body(form.clone().into()).unwrap();
    refused(&world, request, StatusCode::FORBIDDEN, "other_site").await;
    assert_eq!(live.handle().end(), None);

    let request = Request::post("/end").header(CONTENT_TYPE, FORM);
    let request = request
        .header(HOST, "Ops.example")
        .header(ORIGIN, "https://ops.example");
    let answer = world.send(request.body(form.into()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(live.handle().end().is_some());
}

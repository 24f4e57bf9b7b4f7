//! Requests that ask for no stream, through the layer and without it, for `ci/counts`.
//!
//! In a binary of its own: what it hashes would change what is inlined beside it.

use std::convert::Infallible;
use std::env;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hangup::Scope;
use hangup::layer::Admit;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [row, times] = &arguments[..] else {
        panic!("usage: layer NAME TIMES");
    };
    let times: u64 = times.parse().expect("a number of times");
    let mut plain = service_fn(answer);
    let mut admitted = Admit::new(Scope::new()).layer(service_fn(answer));
    match row.as_str() {
        "plain_requests" => (0..times).for_each(|_| drop(black_box(call(&mut plain)))),
        "admitted_requests" => (0..times).for_each(|_| drop(black_box(call(&mut admitted)))),
        _ => panic!("no row is called {row}"),
    }
}

/// A request for a document, as a browser sends it.
fn request() -> Request<()> {
    let mut request = Request::new(());
    let headers = request.headers_mut();
    for (name, value) in [
        (
            ACCEPT,
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        (ACCEPT_ENCODING, "gzip, deflate, br"),
        (USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64)"),
        (HOST, "localhost"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    request
}

async fn answer(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(black_box(request));
    let mut response = Response::new(Full::new(Bytes::from_static(b"document")));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn call<S: Service<Request<()>>>(service: &mut S) -> S::Response {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(service.call(request())).poll(&mut cx) else {
        panic!("it answers at once");
    };
    response
}

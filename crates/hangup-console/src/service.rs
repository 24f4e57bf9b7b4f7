//! The routes.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hangup::report::ConnectionId;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use tower_service::Service;

use crate::body::{ConsoleBody, head};
use crate::end::{end_key, end_one};
use crate::events::events;
use crate::fields::{fields, required};
use crate::page::page;
use crate::refusal::{BadField, MOST_FORM, Refusal};
use crate::shared::Shared;
use crate::site::is_of_other_site;
use crate::view::View;

/// The service of a [`Console`](crate::Console), for a router of axum or anything of
/// [tower](https://docs.rs/tower-service): the answers are whole, and it never fails.
///
/// | route, below the mount | answer |
/// |---|---|
/// | `GET /` | the page |
/// | `GET /events?filter=&sort=&order=&page=` | a stream of server-sent events, which the page reads: `hello`, `view`, `recent`, `closed` |
/// | `POST /end` | ends the connection of the field `id` |
/// | `POST /end-key` | ends the connections that hold the field `key` in the registry of the field `registry` |
///
/// The forms have the console's `token` too. What is refused is answered in JSON, with an `error`
/// for people and a `code` for programs, and changes nothing.
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct ConsoleService {
    shared: Arc<Shared>,
}

impl ConsoleService {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// The future of [`ConsoleService`].
#[must_use = "futures do nothing unless polled"]
pub struct ConsoleFuture {
    answer: Pin<Box<dyn Future<Output = Response<ConsoleBody>> + Send>>,
}

impl<B> Service<Request<B>> for ConsoleService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ConsoleBody>;
    type Error = Infallible;
    type Future = ConsoleFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ConsoleFuture {
        let shared = Arc::clone(&self.shared);
        let answer = async move {
            let answer = answer(&shared, request).await;
            answer.unwrap_or_else(Refusal::into_response)
        };
        ConsoleFuture {
            answer: Box::pin(answer),
        }
    }
}

impl Future for ConsoleFuture {
    type Output = Result<Response<ConsoleBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx).map(Ok)
    }
}

async fn answer<B>(shared: &Shared, request: Request<B>) -> Result<Response<ConsoleBody>, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (request, body) = request.into_parts();
    // Before anything else: a stranger learns nothing of what is here.
    shared.let_in(&request)?;
    match request.uri.path() {
        "" | "/" => {
            takes(&request, &Method::GET, "GET")?;
            View::parse(request.uri.query())?;
            Ok(page(&shared.title))
        }
        "/events" => {
            takes(&request, &Method::GET, "GET")?;
            if is_of_other_site(&request) {
                return Err(Refusal::OtherSite);
            }
            let view = View::parse(request.uri.query())?;
            events(&shared.source, view, shared.may_end(&request))
        }
        "/end" => {
            let form = form(shared, &request, body).await?;
            let [token, id] = fields(&form, ["token", "id"])?;
            is_ours(shared, &required("token", token)?)?;
            let id: Result<ConnectionId, _> = required("id", id)?.parse();
            let id = id.map_err(|_| BadField::Wrong {
                name: "id",
                takes: "the id of a connection",
            })?;
            end_one(&shared.source.scope, id, shared.end_as)?;
            Ok(ended(1))
        }
        "/end-key" => {
            let form = form(shared, &request, body).await?;
            let [token, registry, key] = fields(&form, ["token", "registry", "key"])?;
            is_ours(shared, &required("token", token)?)?;
            let (registry, key) = (required("registry", registry)?, required("key", key)?);
            let ended_here = end_key(&shared.source.scope, &registry, &key, shared.end_as).await;
            match ended_here {
                0 => Err(Refusal::NoHolder),
                count => Ok(ended(count)),
            }
        }
        _ => Err(Refusal::NoPage),
    }
}

fn takes(request: &Parts, method: &Method, name: &'static str) -> Result<(), Refusal> {
    match request.method == method {
        true => Ok(()),
        false => Err(Refusal::WrongMethod(name)),
    }
}

/// The bytes of a form that a page of this site has sent.
async fn form<B>(shared: &Shared, request: &Parts, body: B) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    takes(request, &Method::POST, "POST")?;
    if is_of_other_site(request) {
        return Err(Refusal::OtherSite);
    }
    if !shared.may_end(request) {
        return Err(Refusal::NotAllowed);
    }
    let of_type = request.headers.get(CONTENT_TYPE);
    let of_type = of_type.and_then(|value| value.to_str().ok());
    let of_type = of_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    if !of_type.is_some_and(|it| it.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(Refusal::WrongType);
    }
    let read = Limited::new(body, MOST_FORM).collect().await;
    let read = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => Refusal::LongForm,
        false => Refusal::BrokenForm,
    })?;
    Ok(read.to_bytes())
}

fn is_ours(shared: &Shared, token: &str) -> Result<(), Refusal> {
    match shared.source.token.is(token) {
        true => Ok(()),
        false => Err(Refusal::BadToken),
    }
}

fn ended(count: usize) -> Response<ConsoleBody> {
    let mut response = head(ConsoleBody::whole(json!({ "ended": count }).to_string()));
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

impl fmt::Debug for ConsoleService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleService").finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsoleFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleFuture").finish_non_exhaustive()
    }
}

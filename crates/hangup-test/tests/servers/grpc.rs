//! A server stream of gRPC, on tonic at both ends.

use std::convert::Infallible;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use hangup_test::{AbortEverywhere, Client, Race, Trial, abort_everywhere};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Service, StdError};
use tonic::server::{NamedService, ServerStreamingService};
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::app::{App, ByHand, Leave, check, hello, sessions, told};

#[derive(Clone, PartialEq, prost::Message)]
struct WatchRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(string, tag = "1")]
    text: String,
}

type Watched = Result<Response<BoxStream<'static, Result<Message, Status>>>, Status>;

/// The method `watch` of a server.
trait Watch: Clone + Send + Sync + 'static {
    fn watch(self) -> BoxFuture<'static, Watched>;
}

/// The service `chat.Chat`, as `tonic-build` would generate it.
#[derive(Clone)]
struct Chat<W>(W);

impl<W> NamedService for Chat<W> {
    const NAME: &'static str = "chat.Chat";
}

impl<W: Watch> ServerStreamingService<WatchRequest> for Chat<W> {
    type Response = Message;
    type ResponseStream = BoxStream<'static, Result<Message, Status>>;
    type Future = BoxFuture<'static, Watched>;

    fn call(&mut self, _: Request<WatchRequest>) -> Self::Future {
        self.0.clone().watch()
    }
}

impl<W: Watch> Service<http::Request<Body>> for Chat<W> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let chat = self.clone();
        Box::pin(async move {
            let codec: ProstCodec<Message, WatchRequest> = ProstCodec::default();
            let mut grpc = tonic::server::Grpc::new(codec);
            Ok(grpc.server_streaming(chat, request).await)
        })
    }
}

/// Watches to the end of the stream.
async fn watch<W: Watch>(server: W, client: Client) -> Result<(), StdError> {
    let connector = client.serve(Routes::new(Chat(server))).connector();
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await?;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let codec: ProstCodec<WatchRequest, Message> = ProstCodec::default();
    let path = PathAndQuery::from_static("/chat.Chat/Watch");
    let request = Request::new(WatchRequest {});
    let watched = grpc.server_streaming(request, path, codec).await?;
    client.respond(watched.into_inner()).await;
    Ok(())
}

fn message(text: &str) -> Result<Message, Status> {
    let text = text.to_owned();
    Ok(Message { text })
}

fn refused(error: impl Error) -> Status {
    Status::unavailable(error.to_string())
}

impl Watch for App {
    fn watch(self) -> BoxFuture<'static, Watched> {
        Box::pin(async move {
            let setup = self.set_up().map_err(refused).await?;
            let live = setup.go_live().map_err(refused)?;
            Ok(Response::new(live.stream(hello()).map(message).boxed()))
        })
    }
}

#[test]
fn a_server_on_hangup_is_clean() {
    let report = check("grpc", watch::<App>);
    // The handler is in a task of its own, which is one of the trial.
    let points = report.points();
    let waits = points.iter().any(|it| it == "a task at authenticate");
    assert!(waits, "{points:?}");
}

/// Its guard comes too late, or in time.
#[derive(Clone)]
struct Guarded {
    app: ByHand,
    late: bool,
}

impl Watch for Guarded {
    fn watch(self) -> BoxFuture<'static, Watched> {
        Box::pin(async move {
            let Self { app, late } = self;
            let (id, closed) = app.enter();
            let mut leave = (!late).then(|| Leave(app.clone(), id));
            app.trial.point("load the backlog").await;
            leave.get_or_insert_with(|| Leave(app, id));
            let body = hello().take_until(closed.fired()).map(message);
            let body = body.inspect(move |_| _ = &leave);
            Ok(Response::new(body.boxed()))
        })
    }
}

fn by_hand(late: bool) -> AbortEverywhere<ByHand> {
    let script = move |app: ByHand, client: Client| watch(Guarded { app, late }, client);
    sessions(abort_everywhere(|trial: &Trial| ByHand::new(trial), script).on_tokio())
}

#[test]
fn an_entry_that_leaks_is_r13() {
    let report = told("grpc, late", Instant::now(), by_hand(true));
    assert!(report.races().contains(&Race::R13), "{report}");
}

#[test]
fn a_server_with_its_guard_in_time_is_clean() {
    let tried = by_hand(false)
        .close(|app| async move { app.close() })
        .shutdown(|app| async move { app.shut_down().await });
    let report = told("grpc, in time", Instant::now(), tried);
    assert!(report.is_clean(), "{report}");
}

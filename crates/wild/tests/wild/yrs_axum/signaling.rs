//! The topics of the signaling service, when a client is gone without a close frame.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use futures::SinkExt;
use futures::stream::StreamExt;
use hangup_test::{Client, Fault, Trial, abort_everywhere};
use hangup_wild::Row;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use yrs_axum::signaling::{SignalingService, signaling_conn};

use crate::idle::all_idle;

const TOPIC: Row = Row::new(
    "yrs-axum",
    "`SignalingService`: a subscriber of a topic vanishes",
);

async fn upgrade(State(service): State<SignalingService>, socket: WebSocketUpgrade) -> Response {
    socket.on_upgrade(|socket| async {
        let _: Result<_, _> = signaling_conn(socket, service).await;
    })
}

/// Connects to a whole server of hyper and axum, over a pipe, and subscribes to a topic.
async fn connect(service: &SignalingService) -> WebSocketStream<DuplexStream> {
    let (client, server) = tokio::io::duplex(4096);
    let router = Router::new()
        .route("/", any(upgrade))
        .with_state(service.clone());
    tokio::spawn(async move {
        let router = TowerToHyperService::new(router);
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), router)
            .with_upgrades();
        let _: Result<_, _> = connection.await;
    });
    let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost/", client)
        .await
        .unwrap();
    let subscribe = Message::text(r#"{"type":"subscribe","topics":["news"]}"#);
    socket.send(subscribe).await.unwrap();
    socket
}

/// The service shows its subscribers in its `Debug` alone.
fn subscribers(service: &SignalingService) -> usize {
    format!("{service:?}").matches("WsSink(").count()
}

#[test]
fn a_topic_keeps_a_socket_that_is_gone() {
    let connect = |service: SignalingService, client: Client| async move {
        let socket = connect(&service).await;
        client
            .respond(socket.take_while(|it| std::future::ready(it.is_ok())))
            .await;
    };
    let report = abort_everywhere(|_: &Trial| SignalingService::new(), connect)
        .resource("subscribers", subscribers)
        .on_tokio()
        .explore()
        .unwrap();
    TOPIC.found(&report, |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_topic_keeps_a_socket_that_is_gone_without_the_kit() {
    let service = SignalingService::new();
    for vanished in 1..=10 {
        let socket = connect(&service).await;
        all_idle().await;
        assert_eq!(subscribers(&service), vanished);
        drop(socket);
        all_idle().await;
    }
    let runtime = tokio::runtime::Handle::current();
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    assert_eq!(subscribers(&service), 10, "nothing serves them");
    // A client that says goodbye is removed.
    let mut socket = connect(&service).await;
    socket.close(None).await.unwrap();
    all_idle().await;
    assert_eq!(subscribers(&service), 10);
    TOPIC.confirmed();
}

//! A gRPC service with a server stream, on tonic.
//!
//! `cargo run -p tonic-streaming -- 3000`, then call `chat.Chat/Watch` and `chat.Chat/Publish`
//! on `http://localhost:3000` by a client that is made of this package's library.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hangup::layer::{Admit, Admitted};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_streaming::{
    Chat, ChatServer, Message, Published, WatchRequest, WatchersReply, WatchersRequest,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = std::env::var("PORT").ok();
    let port = std::env::args().nth(1).or(default);
    let port = port.map_or(3000, |port| port.parse().expect("a port is a number"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);

    let service = Service {
        messages: broadcast::Sender::new(100),
        watchers: Arc::default(),
    };
    let scope = hangup::Scope::new();
    let drained = scope.drain_after(shutdown_signal(), std::time::Duration::from_secs(2));
    let server = Server::builder()
        .layer(Admit::new(scope.clone()))
        .add_service(ChatServer::new(service))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), drained);
    scope.serve(server).await.transpose()?;
    Ok(())
}

struct Service {
    messages: broadcast::Sender<Message>,
    watchers: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Chat for Service {
    type WatchStream = ReceiverStream<Result<Message, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, receiver) = mpsc::channel(16);
        let mut messages = self.messages.subscribe();
        let watchers = Arc::clone(&self.watchers);
        let mut setup = Admitted::of(request.extensions())?.setup()?;
        watchers.fetch_add(1, Ordering::Relaxed);
        setup.on_close(move || _ = watchers.fetch_sub(1, Ordering::Relaxed))?;
        tokio::spawn(async move {
            while let Ok(message) = messages.recv().await {
                if sender.send(Ok(message)).await.is_err() {
                    // The client has gone.
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn publish(&self, request: Request<Message>) -> Result<Response<Published>, Status> {
        // An error says that there is no receiver.
        let _: Result<usize, _> = self.messages.send(request.into_inner());
        Ok(Response::new(Published {}))
    }

    async fn watchers(
        &self,
        _request: Request<WatchersRequest>,
    ) -> Result<Response<WatchersReply>, Status> {
        let count = self.watchers.load(Ordering::Relaxed);
        Ok(Response::new(WatchersReply { count }))
    }
}

async fn shutdown_signal() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).unwrap().recv().await;
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending();
    tokio::select! {
        _ = ctrl_c => {}
        () = terminate => {}
    }
}

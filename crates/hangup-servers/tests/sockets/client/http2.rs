//! HTTP/2 with its hands on the flow control.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use hyper::Request;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::Buffers;

pub(super) struct Http2 {
    response: Response,
    driver: JoinHandle<()>,
    driven: watch::Sender<bool>,
    /// Without it the connection would say goodbye.
    _requests: SendRequest<Bytes>,
}

enum Response {
    Head(ResponseFuture),
    Body(RecvStream),
    Cancelled,
}

impl Http2 {
    pub(super) async fn get(socket: TcpStream, url: String, buffers: Buffers) -> Self {
        // What fills up first: the socket, or the window.
        let window = match buffers {
            Buffers::Tiny => 16 * 1024 * 1024,
            Buffers::Small => 64 * 1024,
        };
        let (requests, connection) = Builder::new()
            .initial_window_size(window)
            .initial_connection_window_size(window)
            .handshake(socket)
            .await
            .unwrap();
        let (driven, told) = watch::channel(true);
        let driver = tokio::spawn(drive(connection, told));
        let mut requests = requests.ready().await.unwrap();
        let request = Request::get(url).body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        Self {
            response: Response::Head(response),
            driver,
            driven,
            _requests: requests,
        }
    }

    /// The status line, then the body. The window opens again by what is read.
    pub(super) async fn chunk(&mut self) -> Bytes {
        match &mut self.response {
            Response::Head(response) => {
                let (head, body) = response.await.unwrap().into_parts();
                self.response = Response::Body(body);
                format!("{}\r\n", head.status).into()
            }
            Response::Body(body) => {
                while let Some(data) = body.data().await {
                    let data = data.unwrap();
                    body.flow_control().release_capacity(data.len()).unwrap();
                    if !data.is_empty() {
                        return data;
                    }
                }
                Bytes::new()
            }
            Response::Cancelled => Bytes::new(),
        }
    }

    /// Whether the socket is read.
    pub(super) fn drive(&self, driven: bool) {
        self.driven.send_replace(driven);
    }

    /// Its drop resets the stream.
    pub(super) fn cancel(&mut self) {
        self.response = Response::Cancelled;
    }

    /// Lets go of the socket without a word.
    pub(super) async fn abandon(self) {
        self.driver.abort();
        drop(self.driver.await);
    }
}

async fn drive(mut connection: Connection<TcpStream, Bytes>, mut told: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            () = until(&mut told, false) => until(&mut told, true).await,
            // Whoever reads from it is told how.
            _ = &mut connection => return,
        }
        if told.has_changed().is_err() {
            return;
        }
    }
}

/// Until it is told so, or nobody tells it any more.
async fn until(told: &mut watch::Receiver<bool>, driven: bool) {
    drop(told.wait_for(|told| *told == driven).await);
}

//! A client of engine.io that polls.

use std::fmt::Debug;

use bytes::{Buf, Bytes};
use futures::{Stream, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

/// One session of engine.io, on the service itself.
#[derive(Clone)]
pub(crate) struct Polling<S> {
    service: S,
    path: &'static str,
    id: String,
}

impl<S, B> Polling<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Debug> + Clone,
    B: http_body::Body<Data: Buf, Error: Debug>,
{
    pub(crate) async fn open(service: S, path: &'static str) -> Self {
        let mut session = Self {
            service,
            path,
            id: String::new(),
        };
        let (_, text) = session.poll().await;
        let open = text.strip_prefix('0').unwrap();
        let open: serde_json::Value = serde_json::from_str(open).unwrap();
        session.id = open["sid"].as_str().unwrap().to_owned();
        session
    }

    /// Waits for packets.
    pub(crate) async fn poll(&self) -> (StatusCode, String) {
        self.send(Request::get(self.uri()), "").await
    }

    /// Sends a packet.
    pub(crate) async fn say(&self, packet: &'static str) -> StatusCode {
        self.send(Request::post(self.uri()), packet).await.0
    }

    /// The packets until the session is over. Pings are answered.
    pub(crate) fn packets(self) -> impl Stream<Item = String> {
        stream::unfold(self, |session| async {
            let (status, packets) = session.poll().await;
            for packet in packets.split('\x1e') {
                match packet {
                    "2" => drop(session.say("3").await),
                    "1" | "41" => return None,
                    _ => {}
                }
            }
            status.is_success().then_some((packets, session))
        })
    }

    fn uri(&self) -> String {
        let id = match self.id.as_str() {
            "" => String::new(),
            id => format!("&sid={id}"),
        };
        format!(
            "http://localhost/{}/?EIO=4&transport=polling{id}",
            self.path
        )
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: &'static str,
    ) -> (StatusCode, String) {
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

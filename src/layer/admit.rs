//! The layer: what it is told, and what it makes of a service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request;
use tower_layer::Layer;

use super::service::AdmitService;
use super::settings::Settings;
use crate::lifecycle::End;
use crate::scope::Scope;
use crate::topic::SseEvent;

/// A [layer](https://docs.rs/tower-layer) that gives every stream of a service a connection of a [`Scope`], with the
/// handlers as they are.
///
/// A request whose head [asks for a stream](super::asks_for_stream) is admitted before its handler
/// runs, or [refused](super#what-is-refused). When the handler has answered, the connection goes
/// live with the body of its answer: each ends with the other, as in
/// [`Live::body`](crate::Live::body). A close from anywhere, a drain or a deadline ends the body
/// with a farewell in the form of its protocol. A client that vanishes closes the connection. A
/// handler reaches its connection through the extension [`Admitted`](super::Admitted).
///
/// A connection may close before the handler has answered. The handler of a `GET` is dropped then,
/// and the client gets the refusal for that. Any other method may have changed something, so its
/// handler goes on, and a drain waits for it: an answer that does not stream goes out, a call of
/// gRPC gets what its answer has ready, and a stream of events is refused. A handler that panics is
/// dropped, and its connection has `Failed`, before anything is undone.
///
/// An answer that does not stream lets go of the connection, and goes out as it is: an error, a
/// document, an upgrade whose handler has not [taken](super::Admitted::take) it. A request that
/// does not ask for a stream, and does not get one, takes part in nothing.
///
/// # What a head does not tell
///
/// - Many clients accept anything: `curl`, `fetch`. Those of MCP accept JSON as well as events.
///   They are admitted, or refused, when their answer turns out to stream: their handlers have
///   run, and have not had an `Admitted`. Those of MCP are refused before when a drain has begun. For a route that always streams, [`always`](Self::always)
///   admits them before.
/// - A call of gRPC may stream or not. Each counts against the cap as long as it lasts. Name the
///   methods that stream: `.when(|head| head.uri.path() == "/chat.Chat/Watch")`.
/// - An upgrade to a WebSocket asks for no stream. Its handler may open a connection by itself, by
///   [`Scope::live`], or be behind [`always`](Self::always) and
///   [take](super::Admitted::take) it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use axum::Router;
/// use axum::routing::get;
/// use hangup::Scope;
/// use hangup::layer::Admit;
///
/// async fn events() -> String { String::new() } // or axum's `Sse`
///
/// let scope = Scope::builder().max_connections(10_000).build();
/// let admit = Admit::new(scope.clone()).heartbeat(Duration::from_secs(15));
/// let app: Router = Router::new().route("/events", get(events)).layer(admit);
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied to a service"]
pub struct Admit {
    settings: Arc<Settings>,
}

impl Admit {
    /// Admits what [asks for a stream](super::asks_for_stream) into `scope`.
    pub fn new(scope: Scope) -> Self {
        Self {
            settings: Arc::new(Settings::new(scope)),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = &self.settings;
        let mut settings = Settings {
            scope: settings.scope.clone(),
            when: settings.when.clone(),
            heartbeat: settings.heartbeat,
            flush: settings.flush,
            farewell: Arc::clone(&settings.farewell),
        };
        change(&mut settings);
        self.settings = Arc::new(settings);
        self
    }

    /// Admits the requests for whose heads `asks` returns `true`, and no others, also not when
    /// their answers stream: see [`asks_for_stream`](super::asks_for_stream) for what decides
    /// without this. A `HEAD` or an `OPTIONS` is never admitted.
    ///
    /// Of what is admitted, an answer of unknown length is a stream too. If it is neither of
    /// server-sent events nor of gRPC, it has no heartbeats and no farewell.
    pub fn when<F>(self, asks: F) -> Self
    where
        F: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.change(|settings| settings.when = Some(Arc::new(asks)))
    }

    /// Admits every request but `HEAD` and `OPTIONS`: for the layer of a route that always streams, whatever
    /// its clients accept.
    pub fn always(self) -> Self {
        self.when(|_| true)
    }

    /// Sends a comment when nothing was sent for `period`, between server-sent events: see
    /// [`LiveBody::heartbeat`](crate::LiveBody::heartbeat). Without this there are none, nor in an
    /// answer with a `Content-Encoding` or a `Content-Length`.
    ///
    /// They replace those of the framework, such as the `KeepAlive` of axum: have one of the two.
    ///
    /// It takes a [runtime](crate::runtime): without one a stream is refused as
    /// [`Error::NoRuntime`](crate::Error::NoRuntime). gRPC has pings of its own, in HTTP/2.
    pub fn heartbeat(self, period: Duration) -> Self {
        self.change(|settings| settings.heartbeat = Some(period))
    }

    /// After a close from elsewhere, sends the frames that the handler's body has ready, at most
    /// `limit` of them, before the farewell: see
    /// [`LiveStream::flush`](crate::LiveStream::flush). Without this there are none.
    pub fn flush(self, limit: usize) -> Self {
        self.change(|settings| settings.flush = limit)
    }

    /// The event that is sent when a stream of server-sent events is closed from elsewhere;
    /// `None` for none. Without this it is an event `closed` whose data is the reason, with the
    /// [words](crate::Handle::close_with) of the close, at a shutdown with a `retry` between one and five seconds.
    ///
    /// It comes between events: see [`LiveBody::farewell`](crate::LiveBody::farewell). There is none
    /// in an answer with a `Content-Encoding` or a `Content-Length`. A stream of gRPC ends with its
    /// status instead.
    pub fn farewell<F>(self, event: F) -> Self
    where
        F: Fn(&End) -> Option<SseEvent> + Send + Sync + 'static,
    {
        self.change(|settings| settings.farewell = Arc::new(event))
    }
}

impl<S> Layer<S> for Admit {
    type Service = AdmitService<S>;

    fn layer(&self, inner: S) -> AdmitService<S> {
        AdmitService::new(inner, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admit")
            .field("scope", &self.settings.scope)
            .field("heartbeat", &self.settings.heartbeat)
            .finish_non_exhaustive()
    }
}

//! The service: admits, waits for the handler, and binds its answer to the connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admitted::Admitted;
use super::body::AdmitBody;
use super::protocol::{Asks, Protocol};
use super::refusal::Form;
use super::settings::Settings;
use crate::error::Error;
use crate::lifecycle::{FailOnPanic, WaitForClosed};
use crate::state::{CloseReason, Closed};

/// A service whose streams have connections. Made by [`Admit`](super::Admit).
#[derive(Clone)]
pub struct AdmitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> AdmitService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, R, B> Service<Request<R>> for AdmitService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<AdmitBody<B>>;
    type Error = S::Error;
    type Future = AdmitFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<R>) -> AdmitFuture<S::Future> {
        let asks = Asks::of(request.method(), request.headers());
        let is_late = asks == Asks::Among && self.settings.scope.is_draining();
        if !matches!(asks, Asks::Alone(_)) && !is_late && self.settings.when.is_none() {
            let is_head = *request.method() == Method::HEAD;
            return AdmitFuture {
                inner: Some(self.inner.call(request)),
                admission: match is_head {
                    true => Admission::None,
                    false => Admission::Late {
                        settings: Arc::clone(&self.settings),
                    },
                },
            };
        }
        self.admit(request, asks)
    }
}

impl<S> AdmitService<S> {
    fn admit<R>(&mut self, mut request: Request<R>, asks: Asks) -> AdmitFuture<S::Future>
    where
        S: Service<Request<R>>,
    {
        if let Some(asks) = &self.settings.when {
            let (head, body) = request.into_parts();
            let may_stream = ![Method::HEAD, Method::OPTIONS].contains(&head.method);
            let is_asked = may_stream && asks(&head);
            request = Request::from_parts(head, body);
            if !is_asked {
                return AdmitFuture {
                    inner: Some(self.inner.call(request)),
                    admission: Admission::None,
                };
            }
        }
        let form = match asks {
            Asks::Alone(protocol) => Form::of(protocol, request.headers()),
            Asks::Among | Asks::Nothing => Form::Http,
        };
        let opened = self.settings.scope.open().map_err(Error::from);
        let setup = opened.and_then(|pending| Ok(pending.register()?));
        let admitted = match setup {
            Ok(setup) => Admitted::new(setup),
            Err(error) => {
                return AdmitFuture {
                    inner: None,
                    admission: Admission::Refused { form, error },
                };
            }
        };
        let is_read = request.method().is_safe();
        request.extensions_mut().insert(admitted.clone());
        let waiting = Waiting {
            closed: admitted.handle().closed(),
            admitted,
            form,
            is_read,
            takes_any: self.settings.when.is_some(),
            settings: Arc::clone(&self.settings),
        };
        AdmitFuture {
            inner: Some(self.inner.call(request)),
            admission: Admission::Waits {
                waiting: Box::new(waiting),
            },
        }
    }
}

pin_project! {
    /// The answer of an [`AdmitService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AdmitFuture<F> {
        #[pin]
        inner: Option<F>,
        admission: Admission,
    }
}

enum Admission {
    None,
    /// The request did not ask for a stream. If its answer is one even so, it is admitted then.
    Late {
        settings: Arc<Settings>,
    },
    Refused {
        form: Form,
        error: Error,
    },
    // In a box, so that a request that asks for no stream stays small.
    Waits {
        waiting: Box<Waiting>,
    },
}

/// A connection whose handler has not answered.
struct Waiting {
    admitted: Admitted,
    closed: WaitForClosed,
    form: Form,
    /// The request changes nothing, so its handler may be dropped: a `GET`.
    is_read: bool,
    /// An answer of unknown length is a stream, whatever it says it is.
    takes_any: bool,
    settings: Arc<Settings>,
}

impl<F, B, E> Future for AdmitFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<AdmitBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let waiting = match this.admission {
            Admission::Refused { form, error } => {
                return Poll::Ready(Ok(refuse(*form, *error)));
            }
            Admission::Waits { waiting } => Some(waiting),
            Admission::None | Admission::Late { .. } => None,
        };
        let Some(waiting) = waiting else {
            let inner = this.inner.as_pin_mut();
            let inner = inner.expect("polled after it was ready");
            let response = ready!(inner.poll(cx))?;
            return Poll::Ready(Ok(match this.admission {
                Admission::Late { settings } => admit_late(settings, response),
                _ => response.map(AdmitBody::plain),
            }));
        };
        let lifecycle = waiting.admitted.lifecycle();
        match FailOnPanic::poll(lifecycle, this.inner.as_mut(), |inner| inner.poll(cx)) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(waiting.answer(response))),
            Poll::Ready(Err(error)) => {
                waiting.admitted.abandon(CloseReason::Failed);
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let closed = ready!(Pin::new(&mut waiting.closed).poll(cx));
                if !waiting.is_read || waiting.admitted.is_taken() {
                    return Poll::Pending;
                }
                // The handler's part of the set-up is dropped before it is undone (I2).
                this.inner.set(None);
                waiting.admitted.abandon(closed.reason);
                Poll::Ready(Ok(refuse(waiting.form, closed.into())))
            }
        }
    }
}

impl Waiting {
    fn answer<B: Body<Data = Bytes>>(&self, response: Response<B>) -> Response<AdmitBody<B>> {
        let (head, body) = response.into_parts();
        let is_stream = !body.is_end_stream();
        let protocol = Protocol::of_response(&head.headers).or_else(|| {
            let is_any = self.takes_any && body.size_hint().exact().is_none();
            is_any.then_some(Protocol::Other)
        });
        let Some(setup) = self.admitted.finish() else {
            // A handler has taken it, and streams by itself.
            return Response::from_parts(head, AdmitBody::plain(body));
        };
        let Some(protocol) = protocol.filter(|_| is_stream) else {
            // `Err` if it had closed.
            let _: Result<(), Closed> = setup.close(CloseReason::Completed);
            return Response::from_parts(head, AdmitBody::plain(body));
        };
        let live = match setup.go_live() {
            Ok(live) => live,
            Err(closed) if protocol == Protocol::Grpc => {
                return Response::from_parts(head, AdmitBody::parting(body, closed.into()));
            }
            Err(closed) => return refuse(self.form, closed.into()),
        };
        match AdmitBody::guarded(live, body, protocol, &head.headers, &self.settings) {
            Ok(body) => Response::from_parts(head, body),
            Err(error) => refuse(self.form, error.into()),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The client has gone, unless the handler has answered.
        self.admitted.abandon(CloseReason::Dropped);
    }
}

/// Admits a stream whose request did not ask for it: `curl` accepts anything, for instance.
#[inline]
fn admit_late<B: Body<Data = Bytes>>(
    settings: &Settings,
    response: Response<B>,
) -> Response<AdmitBody<B>> {
    let protocol = Protocol::of_response(response.headers());
    let Some(protocol) = protocol.filter(|_| !response.body().is_end_stream()) else {
        return response.map(AdmitBody::plain);
    };
    let form = match protocol {
        Protocol::Grpc => Form::Grpc,
        Protocol::Sse | Protocol::Other => Form::Http,
    };
    let (head, body) = response.into_parts();
    let guarded = settings.scope.live().and_then(|live| {
        let guarded = AdmitBody::guarded(live, body, protocol, &head.headers, settings);
        guarded.map_err(Error::from)
    });
    match guarded {
        Ok(body) => Response::from_parts(head, body),
        Err(error) => refuse(form, error),
    }
}

fn refuse<B: Body<Data = Bytes>>(form: Form, error: Error) -> Response<AdmitBody<B>> {
    form.refuse(error).map(AdmitBody::refusal)
}

impl<S: fmt::Debug> fmt::Debug for AdmitService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmitService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for AdmitFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmitFuture").finish_non_exhaustive()
    }
}

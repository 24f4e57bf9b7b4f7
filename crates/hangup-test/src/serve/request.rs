//! One request of HTTP/1 over a pipe.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::pipe::Pipe;

/// The client's side of the connection, which has to be polled for bytes to move.
struct Exchange(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Exchange {
    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(exchange) = &mut self.0
            && exchange.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}

impl Pipe {
    /// Sends `GET path` of HTTP/1, and returns the response once its head has arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the server closes the connection before, or sends something else
    /// than a response.
    ///
    /// # Panics
    ///
    /// Panics if `path` is no target of a request, as `/events?of=ada` is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the pipe: the connection ends.
    pub async fn get(self, path: &str) -> Result<Response<ResponseBody>, hyper::Error> {
        let request = Request::get(path).header(HOST, "localhost");
        let request = request.body(String::new());
        self.send(request.expect("the path is valid")).await
    }

    /// Sends `request` of HTTP/1, and returns the response once its head has arrived. HTTP/1.1
    /// asks for the header `host`; `String` is a body.
    ///
    /// Everything runs in the returned future and in the body, without a task.
    ///
    /// # Errors
    ///
    /// Returns an error if the server closes the connection before, or sends something else
    /// than a response, or if the body of the request fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the pipe: the connection ends.
    pub async fn send<B>(self, request: Request<B>) -> Result<Response<ResponseBody>, hyper::Error>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (mut sender, connection) = handshake(TokioIo::new(self)).await?;
        let mut exchange = Exchange(Some(Box::pin(async move {
            // The response and its body have the error too.
            let _: Result<(), hyper::Error> = connection.await;
        })));
        let mut response = pin!(sender.send_request(request));
        let response = poll_fn(|cx| {
            exchange.advance(cx);
            response.as_mut().poll(cx)
        });
        let response = response.await?;
        Ok(response.map(|body| ResponseBody {
            exchange,
            body: Some(body),
        }))
    }
}

/// The body of a response, as a stream of its pieces as they arrive. Dropping it drops the
/// [`Pipe`]: the connection ends.
#[must_use = "the connection ends when this is dropped"]
pub struct ResponseBody {
    exchange: Exchange,
    /// `None` after its end.
    body: Option<Incoming>,
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, hyper::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while let Some(body) = &mut this.body {
            this.exchange.advance(cx);
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are passed over.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.body = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => this.body = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

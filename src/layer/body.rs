//! The bodies of what a layer lets through.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::parting::Parting;
use super::protocol::Protocol;
use super::refusal::grpc_status;
use super::settings::Settings;
use crate::connection::Live;
use crate::error::Error;
use crate::runtime::NoRuntime;
use crate::stream::{LiveBody, SseHeartbeat};

pin_project! {
    /// The body of a response that has passed an [`Admit`](super::Admit): the handler's own, as it
    /// is, or with its connection if it streams.
    #[must_use = "bodies do nothing unless polled"]
    pub struct AdmitBody<B: Body<Data = Bytes>> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B: Body<Data = Bytes>> {
        Plain { #[pin] body: B },
        // In a box, so that the others stay small.
        Guarded { body: Pin<Box<Guarded<B>>> },
        Parting { #[pin] body: Parting<B> },
        Refusal { text: Option<Bytes> },
    }
}

pin_project! {
    #[project = GuardedProjection]
    enum Guarded<B: Body<Data = Bytes>> {
        Quiet { #[pin] body: LiveBody<B> },
        Beating { #[pin] body: LiveBody<SseHeartbeat<B>> },
    }
}

impl<B: Body<Data = Bytes>> AdmitBody<B> {
    #[inline]
    pub(super) fn plain(body: B) -> Self {
        Self {
            kind: Kind::Plain { body },
        }
    }

    pub(super) fn parting(body: B, error: Error) -> Self {
        let body = Parting::new(body, grpc_status(error));
        Self {
            kind: Kind::Parting { body },
        }
    }

    pub(super) fn refusal(text: Bytes) -> Self {
        Self {
            kind: Kind::Refusal { text: Some(text) },
        }
    }

    /// The body of a stream on its connection.
    pub(super) fn guarded(
        live: Live,
        body: B,
        protocol: Protocol,
        headers: &HeaderMap,
        settings: &Settings,
    ) -> Result<Self, NoRuntime> {
        let body = live.body(body).flush(settings.flush);
        // What is encoded, compressed for instance, is no text, and what has a length has no room.
        let fixed = [header::CONTENT_ENCODING, header::CONTENT_LENGTH];
        let takes_events = !fixed.iter().any(|name| headers.contains_key(name));
        let guarded = match protocol {
            Protocol::Sse if takes_events => {
                let farewell = settings.farewell.clone();
                let body = body.farewell(move |end| {
                    let event = farewell(&end)?;
                    Some(Frame::data(event.into_bytes()))
                });
                match settings.heartbeat {
                    Some(period) => Guarded::Beating {
                        body: body.heartbeat(period)?,
                    },
                    None => Guarded::Quiet { body },
                }
            }
            Protocol::Grpc => Guarded::Quiet {
                body: body.farewell_after_any_frame(|end| {
                    let status = grpc_status(Error::Closed(end.closed));
                    Some(Frame::trailers(status))
                }),
            },
            Protocol::Sse | Protocol::Other => Guarded::Quiet { body },
        };
        let body = Box::pin(guarded);
        Ok(Self {
            kind: Kind::Guarded { body },
        })
    }
}

impl<B: Body<Data = Bytes>> Body for AdmitBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Plain { body } => body.poll_frame(cx),
            KindProjection::Guarded { body } => match body.as_mut().project() {
                GuardedProjection::Quiet { body } => body.poll_frame(cx),
                GuardedProjection::Beating { body } => body.poll_frame(cx),
            },
            KindProjection::Parting { body } => body.poll_frame(cx),
            KindProjection::Refusal { text } => {
                let text = text.take().filter(|text| !text.is_empty());
                Poll::Ready(text.map(|text| Ok(Frame::data(text))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Guarded { body } => match &**body {
                Guarded::Quiet { body } => body.is_end_stream(),
                Guarded::Beating { body } => body.is_end_stream(),
            },
            Kind::Parting { body } => body.is_end_stream(),
            Kind::Refusal { text } => text.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Guarded { body } => match &**body {
                Guarded::Quiet { body } => body.size_hint(),
                Guarded::Beating { body } => body.size_hint(),
            },
            Kind::Parting { body } => body.size_hint(),
            Kind::Refusal { text } => {
                let len = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
        }
    }
}

impl<B: Body<Data = Bytes>> fmt::Debug for AdmitBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Plain { .. } => "AdmitBody::Plain",
            Kind::Guarded { .. } => "AdmitBody::Guarded",
            Kind::Parting { .. } => "AdmitBody::Parting",
            Kind::Refusal { .. } => "AdmitBody::Refusal",
        })
    }
}

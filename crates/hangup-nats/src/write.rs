//! Writes, and what their answers are worth.
//!
//! The leader of a stream that is kept on several servers may be deposed without knowing it, while
//! it stands still. Until it knows, both it and its successor get what is written, and both answer:
//! the old one may refuse by its old state what the new one keeps. So a refusal alone says
//! nothing. It is followed by another write, to a record of no name, which most of the servers have
//! to keep before it is acknowledged. That answer comes from the leader in office, which has had
//! the first write before, and has answered it before, if it keeps it.

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::jetstream::ErrorCode;
use async_nats::{HeaderMap, Message, Request, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::future::FutureExt;
use futures_util::stream::StreamExt;
use hangup_cluster::engine::EngineError;
use serde::Deserialize;

use crate::attempts::answered;
use crate::engine::{LOOK, Nats};
use crate::life::Life;
use crate::streams::Kind;

/// What a JetStream acknowledges a write with.
#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<AckError>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AckError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl AckError {
    /// Whether the record has another sequence than the write expects.
    pub(crate) fn is_conflict(&self) -> bool {
        [
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
        ]
        .iter()
        .any(|known| known.0 == self.err_code)
    }
}

/// No name has this, and the stream has a subject for it.
const FENCE: &str = "$";

impl Nats {
    /// Writes, and returns the sequence, or why the server did not write.
    pub(crate) async fn write(
        &self,
        kind: Kind,
        life: Life,
        name: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Result<u64, AckError>, EngineError> {
        self.fits(payload.len())?;
        let subject = self.subject(life, kind, name);
        let mut seen;
        let ack = loop {
            self.connected().await;
            seen = self.seen(kind);
            let message = (subject.clone(), headers.clone(), payload.clone());
            let answer = match self.is_clustered() {
                true => self.ask_all(life, message).await?,
                false => self.ask(message).await?,
            };
            match answer {
                Some(ack) => break ack,
                // No stream has this subject: it is another life, or servers that begin or elect a
                // leader. The message went nowhere, so it may be sent again.
                None => {
                    self.info(kind, life).await?;
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        if let Some(error) = ack.error {
            return Ok(Err(error));
        }
        if ack.stream != self.stream(kind) {
            self.info(kind, life).await?;
            let words = format!("the stream {} has taken a subject of hangup", ack.stream);
            return Err(EngineError::unknown(words));
        }
        if ack.seq <= seen && !ack.duplicate {
            self.was_emptied(life);
            return Err(EngineError::Forgotten);
        }
        self.saw(kind, ack.seq);
        Ok(Ok(ack.seq))
    }

    /// What one server answers. `None` if nothing took it.
    async fn ask(
        &self,
        (subject, headers, payload): (String, HeaderMap, Bytes),
    ) -> Result<Option<Ack>, EngineError> {
        let size = payload.len();
        let request = Request::new().headers(headers).payload(payload);
        let error = match self.client.send_request(subject, request).await {
            Ok(message) => return parse(&message).map(Some),
            Err(error) => error,
        };
        match error.kind() {
            RequestErrorKind::NoResponders => Ok(None),
            // With its headers.
            RequestErrorKind::MaxPayloadExceeded => {
                let limit = self.limit();
                Err(EngineError::TooLarge { size, limit })
            }
            _ => Err(EngineError::unknown(error)),
        }
    }

    /// What the leader in office answers, whatever another one says. `None` if nothing took it.
    async fn ask_all(
        &self,
        life: Life,
        (subject, headers, payload): (String, HeaderMap, Bytes),
    ) -> Result<Option<Ack>, EngineError> {
        let connects = self.connects();
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await;
        let mut answers: Subscriber = answers.map_err(EngineError::unknown)?;
        let client = &self.client;
        let size = payload.len();
        let sent = client.publish_with_reply_and_headers(subject, inbox, headers, payload);
        sent.await.map_err(|error| match error.kind() {
            // With its headers.
            PublishErrorKind::MaxPayloadExceeded => {
                let limit = self.limit();
                EngineError::TooLarge { size, limit }
            }
            _ => EngineError::unknown(error),
        })?;
        let first = answers.next().await;
        let first = first.ok_or_else(|| EngineError::unknown("the client has ended"))?;
        if first.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(None);
        }
        let first = parse(&first)?;
        if !first.error.as_ref().is_some_and(AckError::is_conflict) {
            return Ok(Some(first));
        }
        self.fence.ask(|| self.write_fence(life)).await?;
        while let Some(Some(other)) = answers.next().now_or_never() {
            let other = parse(&other)?;
            if other.error.is_none() {
                return Ok(Some(other));
            }
        }
        // Over two connections, the second write may have come before the first.
        match self.connects() == connects {
            true => Ok(Some(first)),
            false => Err(EngineError::unknown("refused over a lost connection")),
        }
    }

    /// Writes what is acknowledged by the leader in office alone.
    async fn write_fence(&self, life: Life) -> Result<(), EngineError> {
        let subject = self.subject(life, Kind::Records, FENCE);
        let write = || self.ask((subject.clone(), HeaderMap::new(), Bytes::new()));
        let written = self.in_time(answered(self.settings.attempt(), write));
        match written.await? {
            Some(Ack { error: None, .. }) => Ok(()),
            Some(Ack {
                error: Some(error), ..
            }) => Err(EngineError::unknown(error.description)),
            None => Err(EngineError::unknown("there is no leader")),
        }
    }
}

fn parse(answer: &Message) -> Result<Ack, EngineError> {
    serde_json::from_slice(&answer.payload).map_err(EngineError::unknown)
}

//! Hints: plain messages, which are kept nowhere.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use hangup_cluster::engine::{Answer, EngineError, HintStream, Hints};

use crate::engine::Nats;
use crate::names;

/// Servers tell each other in the background who listens, so one may refuse a hint for a listener
/// that has just begun at another one: it is sent again after each of these, in milliseconds.
const PAUSES: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

impl Nats {
    fn inbox(&self, inbox: &str) -> String {
        format!("{}.h.{inbox}", self.settings.prefix)
    }

    async fn send_hint(&self, subject: &str, hint: bytes::Bytes) -> Result<(), EngineError> {
        if !self.is_clustered() {
            let published = self.client.publish(subject.to_owned(), hint).await;
            return published.map_err(EngineError::unknown);
        }
        for pause in PAUSES {
            if self.reaches_listener(subject, hint.clone()).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        // Nothing listens, and it is lost.
        Ok(())
    }

    /// Whether this server knows of a listener, which has the hint then.
    async fn reaches_listener(&self, to: &str, hint: bytes::Bytes) -> Result<bool, EngineError> {
        let reply = self.client.new_inbox();
        let refusals = self.client.subscribe(reply.clone()).await;
        let mut refusals = refusals.map_err(EngineError::unknown)?;
        let client = &self.client;
        let published = client.publish_with_reply(to.to_owned(), reply, hint);
        published.await.map_err(EngineError::unknown)?;
        // The refusal comes before this returns, and listeners answer nothing.
        self.settle().await?;
        Ok(refusals.next().now_or_never().is_none())
    }
}

impl Hints for Nats {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(self.in_time(async move {
            names::check(inbox)?;
            self.fits(hint.len())?;
            self.connected().await;
            self.send_hint(&self.inbox(inbox), hint.into()).await
        }))
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(self.in_time(async {
            names::check(inbox)?;
            self.connected().await;
            let subscribed = self.client.subscribe(self.inbox(inbox)).await;
            let hints = subscribed.map_err(EngineError::unknown)?;
            // From now on the server knows the listener.
            self.settle().await?;
            Ok(Box::pin(hints.map(|message| message.payload.to_vec())) as HintStream)
        }))
    }
}

//! Hints: plain messages, which are kept nowhere.

use async_nats::HeaderMap;
use futures_util::StreamExt;
use hangup_cluster::engine::{Answer, EngineError, HintStream, Hints};

use crate::engine::Nats;
use crate::names;

/// Marks the message by which a listener learns that its subscription is at the server.
const PROBE: &str = "Hangup-Probe";

impl Nats {
    fn inbox(&self, inbox: &str) -> String {
        format!("{}.h.{inbox}", self.settings.prefix)
    }
}

impl Hints for Nats {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(self.in_time(async move {
            names::check(inbox)?;
            self.fits(hint.len())?;
            self.connected().await;
            let published = self.client.publish(self.inbox(inbox), hint.into()).await;
            published.map_err(EngineError::unknown)
        }))
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(self.in_time(async {
            names::check(inbox)?;
            let subject = self.inbox(inbox);
            self.connected().await;
            let subscribed = self.client.subscribe(subject.clone()).await;
            let mut messages = subscribed.map_err(EngineError::unknown)?;
            // The client writes in the order of the calls: so when this one comes back, the
            // subscription is there, and what others send arrives.
            let probe = self.client.new_inbox();
            let mut headers = HeaderMap::new();
            headers.insert(PROBE, probe.as_str());
            let published = self
                .client
                .publish_with_headers(subject, headers, "".into());
            published.await.map_err(EngineError::unknown)?;
            loop {
                let message = messages.next().await;
                let message =
                    message.ok_or_else(|| EngineError::unknown("the client has ended"))?;
                let headers = message.headers.as_ref();
                let found = headers.and_then(|headers| headers.get(PROBE));
                if found.is_some_and(|found| found.as_str() == probe) {
                    break;
                }
            }
            let hints = messages.filter_map(async |message| {
                let headers = message.headers.as_ref();
                let is_probe = headers.is_some_and(|headers| headers.get(PROBE).is_some());
                (!is_probe).then(|| message.payload.to_vec())
            });
            Ok(Box::pin(hints) as HintStream)
        }))
    }
}

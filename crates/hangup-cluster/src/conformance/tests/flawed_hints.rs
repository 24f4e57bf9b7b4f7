//! Hints that break a rule.

use std::sync::atomic::Ordering;

use futures::stream::{self, StreamExt};

use super::flaw::Flaw;
use super::flawed::{Flawed, asleep};
use super::flawed_claims::is_forgotten;
use crate::engine::{Answer, HintStream, Hints};

impl Flawed {
    fn inbox(&self, inbox: &str) -> String {
        match self.flaw {
            Flaw::InboxesInLowerCase => inbox.to_lowercase(),
            _ => self.name(inbox),
        }
    }
}

impl Hints for Flawed {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            let (inbox, hint) = (self.inbox(inbox), self.bytes(hint, Flaw::HintsAsText));
            self.shared.remember(&inbox, &hint);
            let mut inboxes = vec![inbox.clone()];
            if self.flaw == Flaw::HintsToPrefixes {
                let listened = self.shared.listened.lock().unwrap().clone();
                let longer = |other: &String| *other != inbox && other.starts_with(&inbox);
                inboxes.extend(listened.into_iter().filter(longer));
            }
            for inbox in inboxes {
                let mut sent = self.link.send(&inbox, hint.clone()).await;
                if self.adopts(is_forgotten(&sent)).await {
                    sent = self.link.send(&inbox, hint.clone()).await;
                }
                sent.map_err(|error| self.error(error))?;
            }
            Ok(())
        })
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(async move {
            let inbox = self.inbox(inbox);
            let is_first = self.shared.listened.lock().unwrap().insert(inbox.clone());
            if self.flaw == Flaw::ListensLate {
                let link = self.link.clone();
                let late = async move { link.listen(&inbox).await.unwrap() };
                return Ok(Box::pin(stream::once(late).flatten()) as HintStream);
            }
            let mut listened = self.link.listen(&inbox).await;
            if self.adopts(is_forgotten(&listened)).await {
                listened = self.link.listen(&inbox).await;
            }
            let hints = listened.map_err(|error| self.error(error))?;
            Ok(match self.flaw {
                Flaw::OneListener if !is_first => Box::pin(stream::pending()),
                Flaw::HintsEndWithALife if self.shared.lives.load(Ordering::Relaxed) > 0 => {
                    Box::pin(stream::pending())
                }
                Flaw::RestartKillsStreams => Box::pin(hints.chain(stream::pending())),
                Flaw::ListenersSleep => asleep(hints),
                Flaw::HintsReplayed => {
                    let before = self.shared.hints.lock().unwrap().get(&inbox).cloned();
                    Box::pin(stream::iter(before.unwrap_or_default()).chain(hints))
                }
                _ => hints,
            })
        })
    }
}

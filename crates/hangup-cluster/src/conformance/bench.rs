//! What every check works with.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hangup::runtime::Runtime;
use hangup::topic::Cursor;

use super::outcome::{Checked, Found, Item, Stop, ensure};
use super::subject::{Doing, Node, Subject, Timing};
use super::waiting::{next, until};
use crate::engine::{
    Claims, EngineError, HintStream, Hints, Log, LogEvent, LogStream, Record, Revision, Swapped,
};

pub(super) struct Bench<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) timing: Timing,
    runtime: Arc<dyn Runtime>,
    /// Of no other check and no other run.
    prefix: String,
}

impl<'a> Bench<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        static CHECKS: AtomicU64 = AtomicU64::new(0);
        let check = CHECKS.fetch_add(1, Ordering::Relaxed);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        Self {
            subject,
            timing: subject.timing(),
            runtime: subject.runtime(),
            prefix: format!("c{nanos:x}-{check:x}"),
        }
    }

    /// A name of this check.
    pub(super) fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.prefix)
    }

    /// A node, which has adopted the engine if it has claims.
    pub(super) async fn node(&self) -> Checked<Node> {
        let node = self.done("give a node", self.subject.node()).await?;
        if let Some(claims) = &node.claims {
            claims.adopt().await?;
        }
        Ok(node)
    }

    pub(super) async fn claims(&self) -> Checked<Arc<dyn Claims>> {
        self.node().await?.needs_claims()
    }

    pub(super) async fn hints(&self) -> Checked<Arc<dyn Hints>> {
        self.node().await?.needs_hints()
    }

    pub(super) async fn log(&self) -> Checked<Arc<dyn Log>> {
        self.node().await?.needs_log()
    }

    pub(super) async fn restart(&self) -> Checked {
        match self.subject.restart() {
            Some(restart) => self.done("restart", restart).await,
            None => Err(Stop::Skipped("no restart is offered".to_owned())),
        }
    }

    pub(super) async fn forget(&self) -> Checked {
        match self.subject.forget() {
            Some(forget) => self.done("forget", forget).await,
            None => Err(Stop::Skipped("it cannot be made to forget".to_owned())),
        }
    }

    pub(super) async fn pause(&self) -> Checked {
        match self.subject.pause() {
            Some(pause) => self.done("pause", pause).await,
            None => Err(Stop::Skipped("no pause is offered".to_owned())),
        }
    }

    pub(super) async fn resume(&self) -> Checked {
        self.done("resume", self.subject.resume()).await
    }

    async fn done<T>(&self, what: &str, doing: Doing<'_, T>) -> Checked<T> {
        let failed = |error| Stop::Failed(format!("the subject fails to {what}: {error}"));
        doing.await.map_err(failed)
    }

    pub(super) fn now(&self) -> Instant {
        self.runtime.now()
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.runtime.sleep(duration).await;
    }

    /// What `future` returns, if it does not take too long.
    pub(super) async fn within<T>(
        &self,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Checked<T> {
        let patience = self.timing.patience;
        let answer = until(self.runtime.sleep(patience), future).await;
        answer.ok_or_else(|| Stop::Failed(format!("{what} takes longer than {patience:?}")))
    }

    /// What a call that may be repeated answers, once its outcome is known.
    pub(super) async fn settled<T, F>(
        &self,
        what: &str,
        mut call: impl FnMut() -> F,
    ) -> Checked<Result<T, EngineError>>
    where
        F: Future<Output = Result<T, EngineError>>,
    {
        let asks = async {
            loop {
                match call().await {
                    // An engine that has just started may refuse at once, and nothing tells when
                    // it does not.
                    Err(EngineError::Unknown(_)) => self.sleep(Duration::from_millis(20)).await,
                    answer => return answer,
                }
            }
        };
        self.within(what, asks).await
    }

    /// What a call that may be repeated returns.
    pub(super) async fn again<T, F>(&self, what: &str, call: impl FnMut() -> F) -> Checked<T>
    where
        F: Future<Output = Result<T, EngineError>>,
    {
        Ok(self.settled(what, call).await??)
    }

    pub(super) async fn hint(&self, listener: &mut HintStream) -> Checked<Vec<u8>> {
        let hint = self.within("a hint", next(listener)).await?;
        hint.ok_or_else(|| Stop::Failed("the hints end without a restart".to_owned()))
    }

    pub(super) async fn event(&self, reader: &mut LogStream) -> Checked<LogEvent> {
        let event = self.within("an item", next(reader)).await?;
        let ended = || Stop::Failed("a reader of the log ends without an error".to_owned());
        Ok(event.ok_or_else(ended)??)
    }

    pub(super) async fn item(&self, reader: &mut LogStream) -> Checked<(Cursor, Vec<u8>)> {
        match self.event(reader).await? {
            LogEvent::Item(cursor, item) => Ok((cursor, item)),
            LogEvent::Gap(to) => Err(Stop::Failed(format!("a gap to {to} where there is none"))),
        }
    }

    /// Reads the items behind `after` and checks that they are these and that none is missing.
    pub(super) async fn reads(
        &self,
        log: &dyn Log,
        topic: &str,
        after: Cursor,
        expected: &[(Cursor, Vec<u8>)],
    ) -> Checked {
        let mut reader = log.read(topic, after).await?;
        for expected in expected {
            let found = self.item(&mut reader).await?;
            ensure!(
                found == *expected,
                "behind {after}, {} is read instead of {}",
                Item(&found),
                Item(expected)
            );
        }
        Ok(())
    }
}

impl Node {
    pub(super) fn needs_claims(&self) -> Checked<Arc<dyn Claims>> {
        self.claims.clone().ok_or_else(|| missing("claims"))
    }

    pub(super) fn needs_hints(&self) -> Checked<Arc<dyn Hints>> {
        self.hints.clone().ok_or_else(|| missing("hints"))
    }

    pub(super) fn needs_log(&self) -> Checked<Arc<dyn Log>> {
        self.log.clone().ok_or_else(|| missing("log"))
    }
}

fn missing(what: &str) -> Stop {
    Stop::Skipped(format!("the engine has no {what}"))
}

/// A write that has to succeed.
pub(super) async fn write(
    claims: &dyn Claims,
    name: &str,
    expected: Option<Revision>,
    value: &[u8],
    ttl: Option<Duration>,
) -> Checked<Revision> {
    match claims.swap(name, expected, value.to_vec(), ttl).await? {
        Swapped::Done(revision) => Ok(revision),
        Swapped::Conflict => Err(Stop::Failed(format!(
            "a write that expects {expected:?}, which is so, is a conflict"
        ))),
    }
}

/// A write that has to be a conflict.
pub(super) async fn conflicts(
    claims: &dyn Claims,
    name: &str,
    expected: Option<Revision>,
    ttl: Option<Duration>,
) -> Checked {
    let swapped = claims.swap(name, expected, b"wrong".to_vec(), ttl).await?;
    let found = claims.load(name).await?;
    ensure!(
        swapped == Swapped::Conflict,
        "a write that expects {expected:?}, which is not so, is {swapped:?}"
    );
    ensure!(
        found.as_ref().is_none_or(|found| found.value != b"wrong"),
        "a write that was a conflict is there"
    );
    Ok(())
}

/// The record has to be this.
pub(super) async fn holds(
    claims: &dyn Claims,
    name: &str,
    revision: Revision,
    value: &[u8],
) -> Checked {
    let expected = Record {
        revision,
        value: value.to_vec(),
    };
    let found = claims.load(name).await?;
    ensure!(
        found.as_ref() == Some(&expected),
        "{name} is {} instead of {}",
        Found(found.as_ref()),
        Found(Some(&expected))
    );
    Ok(())
}

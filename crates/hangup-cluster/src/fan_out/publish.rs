//! Publishes at least once.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use hangup::runtime::Runtime;
use hangup::topic::Cursor;

use super::backoff::Backoff;
use super::error::PublishError;
use super::name::TopicName;
use crate::engine::{EngineError, Log};

/// Ids of items, each of them made once.
pub(super) struct Ids {
    prefix: String,
    last: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        // The keys are random, and differ with each call.
        let random = || RandomState::new().hash_one(());
        Self {
            prefix: format!("{:016x}{:016x}", random(), random()),
            last: AtomicU64::new(0),
        }
    }

    fn next(&self) -> String {
        // ORDERING: `Relaxed`, since the number alone counts.
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:x}", self.prefix)
    }
}

/// Publishes under one id until there is an answer, or the deadline has passed.
pub(super) async fn publish(
    log: &dyn Log,
    runtime: &dyn Runtime,
    ids: &Ids,
    name: &TopicName,
    item: Vec<u8>,
    deadline: Duration,
) -> Result<Cursor, PublishError> {
    let id = ids.next();
    let begun = runtime.now();
    let left = || deadline.saturating_sub(runtime.now().saturating_duration_since(begun));
    let mut backoff = Backoff::default();
    for attempts in 1_u32.. {
        let published = log.publish(name.as_str(), &id, item.clone());
        let answer = within(runtime, left(), published).await;
        let source = match answer {
            Some(Ok(cursor)) => return Ok(cursor),
            Some(Err(EngineError::Forgotten)) => return Err(PublishError::Forgotten),
            Some(Err(EngineError::TooLarge { size, limit })) => {
                return Err(PublishError::TooLarge { size, limit });
            }
            Some(Err(error @ EngineError::Unknown(_))) => error,
            None => EngineError::unknown("no answer before the deadline"),
        };
        let delay = backoff.next();
        if delay >= left() {
            return Err(PublishError::Unknown { attempts, source });
        }
        runtime.sleep(delay).await;
    }
    unreachable!("a deadline passes before so many attempts")
}

/// `None` if the time is up first.
async fn within<F: Future>(runtime: &dyn Runtime, time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = runtime.sleep(time);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}

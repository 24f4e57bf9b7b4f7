//! How much of a lane is kept.

use std::time::Duration;

/// How much a lane of a [`Topic`](super::Topic) keeps: by count, by bytes, by age.
///
/// What is kept is at once the backlog for those who subscribe later and the slack of those
/// who read slowly: a subscriber that is slower than this has a [gap](super::Gap).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a retention does nothing until it is given to a topic"]
pub struct Retention {
    pub(super) items: usize,
    pub(super) bytes: usize,
    pub(super) age: Option<Duration>,
    pub(super) latest: bool,
}

impl Retention {
    /// The last `count` items, at least one: what is published passes through the log.
    pub const fn items(count: usize) -> Self {
        Self {
            items: if count == 0 { 1 } else { count },
            bytes: usize::MAX,
            age: None,
            latest: false,
        }
    }

    /// The latest item alone, as for a value that each item overwrites: an item that was
    /// overwritten before a subscriber came to it is no gap. One that was dropped for its
    /// [age](Self::age) is: nothing replaces what the client knows.
    pub const fn latest() -> Self {
        Self {
            latest: true,
            ..Self::items(1)
        }
    }

    /// And at most so many bytes, as the topic's
    /// [size function](super::TopicBuilder::size) counts them.
    pub const fn bytes(mut self, limit: usize) -> Self {
        self.bytes = limit;
        self
    }

    /// And nothing older than `age`.
    ///
    /// What is too old is dropped by the next call that publishes or subscribes, or by
    /// [`Topic::expire`](super::Topic::expire).
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }
}

/// A part of a [`Topic`](super::Topic) with a [retention](Retention) of its own: a flood in
/// one lane does not evict what is in another. Subscribers get the items of all lanes, in the
/// order in which they were published.
///
/// # Examples
///
/// ```
/// use hangup::topic::{Lane, Replay, Retention, Topic};
///
/// const QUESTIONS: Lane = Lane::new(1);
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let topic = Topic::builder(Retention::items(2))
///     .lane(QUESTIONS, Retention::items(10))
///     .build()?;
/// topic.publish_in(QUESTIONS, "may I?")?;
/// for output in ["a", "b", "c"] {
///     topic.publish(output)?;
/// }
/// let backlog = futures::executor::block_on_stream(topic.subscribe(Replay::All));
/// let backlog: Vec<_> = backlog.take(3).map(|item| *item.unwrap()).collect();
/// assert_eq!(backlog, ["may I?", "b", "c"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The lane of this number. Number 0 is the [default](Lane::default): what is published
    /// without a lane goes there.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }
}

//! Gaps at the edges: what is kept among what is lost, and what a source fills.

use std::sync::{Arc, Mutex};

use futures::stream;
use hangup::CloseReason;
use hangup::topic::{
    BackfillError, Cursor, Gap, Lane, Replay, Retention, Subscription, Topic, TopicBuilder,
};
use tokio_test::assert_ready;
use tokio_test::task::{self, Spawn};

const SIDE: Lane = Lane::new(1);

/// The default lane keeps one item, the lane at the side `side`.
fn builder(side: usize) -> TopicBuilder<u32> {
    Topic::builder(Retention::items(1)).lane(SIDE, Retention::items(side))
}

fn publish(topic: &Topic<u32>, items: impl IntoIterator<Item = u32>) {
    for item in items {
        topic.publish(item).unwrap();
    }
}

/// The items up to the end, and for a gap the numbers between which it is, and its `resume`.
fn all(subscription: Subscription<u32>) -> Vec<Result<u32, (u64, u64, u64)>> {
    rest(&mut task::spawn(subscription))
}

fn rest(subscription: &mut Spawn<Subscription<u32>>) -> Vec<Result<u32, (u64, u64, u64)>> {
    let mut all = Vec::new();
    while let Some(next) = assert_ready!(subscription.poll_next()) {
        let numbers = |gap: Gap| (gap.from.number(), gap.to.number(), gap.resume.number());
        all.push(next.map(|item| *item).map_err(numbers));
    }
    all
}

/// What a source gives, by its number, and in the end an error or none.
fn source(
    builder: TopicBuilder<u32>,
    given: &'static [u32],
    fails: bool,
) -> (Topic<u32>, Arc<Mutex<Vec<Gap>>>) {
    let asked = Arc::<Mutex<Vec<Gap>>>::default();
    let ask = Arc::clone(&asked);
    let source = move |gap: Gap| -> hangup::topic::BackfillStream<u32> {
        ask.lock().unwrap().push(gap);
        let cursor = move |number: u32| Cursor::new(gap.to.incarnation(), number.into());
        let items = given.iter().map(move |item| Ok((cursor(*item), *item)));
        let end = fails.then_some(Err(BackfillError));
        Box::pin(stream::iter(items.chain(end)))
    };
    (builder.backfill(source).build().unwrap(), asked)
}

#[test]
fn what_is_kept_below_a_gap_that_was_told_comes_before_the_next_gap() {
    // 1 is kept at the side; 2 and 3 were lost before the subscription, 4 is lost after it.
    let topic = builder(9).build().unwrap();
    topic.publish_in(SIDE, 1).unwrap();
    publish(&topic, 2..=4);
    let all_kept = topic.subscribe(Replay::All);
    let mut told =
        task::spawn(topic.subscribe(Replay::After(Cursor::new(topic.cursor().incarnation(), 0))));
    let gap = assert_ready!(told.poll_next()).unwrap().unwrap_err();
    assert_eq!((gap.to.number(), gap.resume.number()), (3, 0));
    publish(&topic, [5]);
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(all_kept), [Ok(1), Err((3, 4, 4)), Ok(5)]);
    assert_eq!(rest(&mut told), [Ok(1), Err((3, 4, 4)), Ok(5)]);
}

#[test]
fn a_backfill_skips_nothing_that_is_kept_below_the_gap() {
    let (topic, asked) = source(builder(9), &[4], false);
    topic.publish_in(SIDE, 1).unwrap();
    publish(&topic, 2..=4);
    let events = topic.subscribe(Replay::All);
    publish(&topic, [5]);
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(events), [1, 4, 5].map(Ok));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn what_the_log_keeps_comes_although_the_source_leaves_it_out() {
    for (given, fails, expected) in [
        (&[][..], false, vec![Ok(1), Ok(3), Ok(5)]),
        (&[2, 4], false, (1..=5).map(Ok).collect()),
        (&[1, 2, 3, 4], false, (1..=5).map(Ok).collect()),
        (&[2], true, vec![Ok(1), Ok(2), Err((2, 4, 2)), Ok(3), Ok(5)]),
        (
            &[2, 3],
            true,
            vec![Ok(1), Ok(2), Ok(3), Err((3, 4, 4)), Ok(5)],
        ),
    ] {
        let (topic, _) = source(builder(9), given, fails);
        let events = topic.subscribe(Replay::Now);
        for (lane, item) in [(1, 1), (0, 2), (1, 3), (0, 4), (0, 5)] {
            topic.publish_in(Lane::new(lane), item).unwrap();
        }
        topic.close(CloseReason::Shutdown);
        assert_eq!(all(events), expected, "{given:?}");
    }
}

#[test]
fn a_source_that_fails_after_it_gave_all_leaves_no_gap() {
    let (topic, _) = source(builder(1), &[1, 2], true);
    let events = topic.subscribe(Replay::Now).close_on_gap();
    publish(&topic, 1..=3);
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(events), [1, 2, 3].map(Ok));
}

#[test]
fn a_source_is_not_asked_for_a_cursor_that_the_log_never_gave() {
    let (topic, asked) = source(builder(1), &[], false);
    publish(&topic, 1..=3);
    let forged = Cursor::new(topic.cursor().incarnation(), 99);
    let events = topic.subscribe(Replay::After(forged));
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(events), [Err((99, 3, 3))]);
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn what_is_lost_since_the_log_was_empty_is_a_gap() {
    let topic = builder(1).build().unwrap();
    let empty = topic.cursor();
    publish(&topic, 1..=3);
    let events = topic.subscribe(Replay::All).since(empty);
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(events), [Err((0, 2, 2)), Ok(3)]);
}

#[test]
fn what_was_kept_at_the_subscription_and_is_lost_is_a_gap_below_what_was_lost_before() {
    // 1 is kept at the side, 2 and 3 were lost before the subscription.
    let topic = builder(1).build().unwrap();
    topic.publish_in(SIDE, 1).unwrap();
    publish(&topic, 2..=4);
    let evicted = topic.subscribe(Replay::All);
    topic.publish_in(SIDE, 5).unwrap();
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(evicted), [Err((0, 1, 1)), Ok(4), Ok(5)]);

    let topic = builder(1).build().unwrap();
    topic.publish_in(SIDE, 1).unwrap();
    publish(&topic, 2..=4);
    let reset = topic.subscribe(Replay::All);
    topic.reset(topic.cursor()).unwrap();
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(reset), [Err((0, 4, 4))]);

    // Read before the reset, it is not missed, and neither is what was lost before.
    let topic = builder(1).build().unwrap();
    topic.publish_in(SIDE, 1).unwrap();
    publish(&topic, 2..=4);
    let mut read = task::spawn(topic.subscribe(Replay::All));
    for item in [1, 4] {
        assert_eq!(*assert_ready!(read.poll_next()).unwrap().unwrap(), item);
    }
    topic.reset(topic.cursor()).unwrap();
    topic.close(CloseReason::Shutdown);
    assert_eq!(rest(&mut read), []);
}

#[test]
fn the_place_of_a_subscription_is_that_of_what_it_has_yielded() {
    let (topic, _) = source(builder(9), &[1, 2], false);
    let mut events = task::spawn(topic.subscribe(Replay::Now));
    for item in 1..=6 {
        let lane = if item > 2 { SIDE } else { Lane::default() };
        topic.publish_in(lane, item).unwrap();
    }
    publish(&topic, [7]);
    for item in 1..=7 {
        assert_eq!(*assert_ready!(events.poll_next()).unwrap().unwrap(), item);
        assert_eq!(events.cursor().number(), u64::from(item));
    }
}

#[test]
fn a_subscription_that_ends_at_a_gap_stays_before_it() {
    let topic = builder(1).build().unwrap();
    let mut events = task::spawn(topic.subscribe(Replay::Now).close_on_gap());
    publish(&topic, [1]);
    assert_eq!(*assert_ready!(events.poll_next()).unwrap().unwrap(), 1);
    publish(&topic, 2..=4);
    assert!(assert_ready!(events.poll_next()).is_none());
    let again = topic.subscribe(Replay::After(events.cursor()));
    topic.close(CloseReason::Shutdown);
    assert_eq!(all(again), [Err((1, 3, 3)), Ok(4)]);
}

//! A topic: what subscribers get, and what they are told.

use std::time::{Duration, Instant};

use futures::stream;
use hangup::CloseReason;
use hangup::topic::{
    BackfillError, BuildTopicError, Cursor, Gap, Lane, PublishError, Published, Replay, Retention,
    Subscription, Topic, TopicBuilder,
};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready};

use crate::support;

const SIDE: Lane = Lane::new(1);

fn builder(items: usize) -> TopicBuilder<u32> {
    Topic::builder(Retention::items(items))
}

fn publish<T>(topic: &Topic<T>, items: impl IntoIterator<Item = T>) {
    for item in items {
        topic.publish(item).unwrap();
    }
}

fn next<T>(subscription: &mut Spawn<Subscription<T>>) -> Option<Result<Published<T>, Gap>> {
    assert_ready!(subscription.poll_next())
}

/// All that is ready: the items, and for a gap the numbers between which it is.
fn ready(subscription: &mut Spawn<Subscription<u32>>) -> Vec<Result<u32, (u64, u64)>> {
    let mut ready = Vec::new();
    while let std::task::Poll::Ready(Some(next)) = subscription.poll_next() {
        let numbers = |gap: Gap| (gap.from.number(), gap.to.number());
        ready.push(next.map(|item| *item).map_err(numbers));
    }
    ready
}

#[test]
fn backlog_and_live_items_are_one_sequence() {
    let topic = builder(100).build().unwrap();
    publish(&topic, 1..=20);
    let middle = topic.cursor();
    let mut all = task::spawn(topic.subscribe(Replay::All));
    let mut now = task::spawn(topic.subscribe(Replay::Now));
    publish(&topic, 21..=40);
    let mut after = task::spawn(topic.subscribe(Replay::After(middle)));
    assert_eq!(ready(&mut all), (1..=40).map(Ok).collect::<Vec<_>>());
    for late in [&mut now, &mut after] {
        assert_eq!(ready(late), (21..=40).map(Ok).collect::<Vec<_>>());
        assert_pending!(late.poll_next());
    }
    publish(&topic, [41]);
    for subscription in [&mut all, &mut now, &mut after] {
        assert!(subscription.is_woken());
        assert_eq!(ready(subscription), [Ok(41)]);
    }
}

#[test]
fn an_item_is_shared_and_not_copied() {
    struct NoClone(u8);

    let topic = Topic::new(Retention::items(1));
    let [mut one, mut two] = [(); 2].map(|()| task::spawn(topic.subscribe(Replay::Now)));
    let cursor = topic.publish(NoClone(7)).unwrap();
    let [one, two] = [&mut one, &mut two].map(|it| next(it).unwrap().unwrap());
    assert!(std::ptr::eq(&raw const one.0, &raw const two.0));
    assert_eq!((one.0, one.cursor()), (7, cursor));
}

#[test]
fn a_reader_that_is_too_slow_is_told_what_it_missed() {
    let topic = builder(3).build().unwrap();
    let mut slow = task::spawn(topic.subscribe(Replay::Now));
    publish(&topic, 1..=5);
    assert_eq!(ready(&mut slow), [Err((0, 2)), Ok(3), Ok(4), Ok(5)]);
    publish(&topic, [6]);
    assert_eq!(ready(&mut slow), [Ok(6)]);
    // A client that was told of the gap comes back behind it, and is not told again.
    let mut slow =
        task::spawn(topic.subscribe(Replay::After(Cursor::new(topic.cursor().incarnation(), 1))));
    let gap = next(&mut slow).unwrap().unwrap_err();
    let mut resumed = task::spawn(topic.subscribe(Replay::After(gap.resume)));
    assert_eq!(ready(&mut resumed), [Ok(4), Ok(5), Ok(6)]);
}

#[test]
fn a_gap_closes_the_connection_if_the_subscriber_chose_that() {
    let topic = builder(1).build().unwrap();
    let live = support::live();
    let handle = live.handle();
    let events = topic.subscribe(Replay::Now);
    let events = events.for_connection(live.handle()).close_on_gap();
    let mut events = task::spawn(live.stream(events));
    publish(&topic, 1..=2);
    assert!(assert_ready!(events.poll_next()).is_none());
    let closed = handle.state().closed().unwrap();
    assert_eq!(closed.reason, CloseReason::Overflow);
    assert_eq!(topic.subscribers(), 0);
}

#[test]
fn a_gap_at_the_start_is_told_to_those_who_close_on_gaps() {
    let topic = builder(2).build().unwrap();
    publish(&topic, 1..=5);
    let place = |number| Cursor::new(topic.cursor().incarnation(), number);
    let back = topic.subscribe(Replay::After(place(1))).close_on_gap();
    let mut back = task::spawn(back);
    assert_eq!(ready(&mut back), [Err((1, 3)), Ok(4), Ok(5)]);
    // It is told of one alone.
    publish(&topic, 6..=8);
    assert!(next(&mut back).is_none());
    // Nor is it told of one that its session excludes.
    let session = topic.subscribe(Replay::After(place(1))).since(place(8));
    let mut session = task::spawn(session.close_on_gap());
    publish(&topic, 9..=11);
    assert!(next(&mut session).is_none());
}

#[test]
fn a_gap_that_was_filled_excuses_no_later_one() {
    let source = |gap: Gap| {
        let incarnation = gap.to.incarnation();
        let numbers = gap.from.number() + 1..=gap.to.number().min(3);
        let items = numbers.map(move |number| Ok((Cursor::new(incarnation, number), 0_u32)));
        let end = (gap.to.number() > 3).then_some(Err(BackfillError));
        Box::pin(stream::iter(items.chain(end))) as _
    };
    let topic = builder(1).backfill(source).build().unwrap();
    publish(&topic, 1..=4);
    let first = Cursor::new(topic.cursor().incarnation(), 1);
    let back = topic.subscribe(Replay::After(first)).close_on_gap();
    let mut back = task::spawn(back);
    assert_eq!(ready(&mut back), [Ok(0), Ok(0), Ok(4)]);
    publish(&topic, 5..=6);
    assert!(next(&mut back).is_none());
}

#[test]
fn a_reader_goes_on_from_the_place_of_another() {
    let source = |gap: Gap| {
        let place = move |number| Cursor::new(gap.to.incarnation(), number);
        // It has the second and the third, and not the fourth.
        let items = [2, 3].map(move |number| Ok((place(number), number as u32)));
        Box::pin(stream::iter(items.into_iter().chain([Err(BackfillError)]))) as _
    };
    let topic = builder(20).backfill(source).build().unwrap();
    publish(&topic, 1..=24);
    let first = Cursor::new(topic.cursor().incarnation(), 1);
    let mut reader = task::spawn(topic.subscribe(Replay::After(first)));
    let all = ready(&mut task::spawn(topic.subscribe(Replay::After(first))));
    assert_eq!(all[..4], [Ok(2), Ok(3), Err((3, 4)), Ok(5)]);
    for yielded in 0..all.len() {
        let mut other = task::spawn(topic.subscribe(Replay::After(reader.cursor())));
        assert_eq!(ready(&mut other), all[yielded..]);
        let _: Option<Result<_, Gap>> = next(&mut reader);
    }
    assert_eq!(reader.cursor(), topic.cursor());
}

#[test]
fn what_was_published_before_the_close_arrives_and_the_reason_follows() {
    let topic = builder(100).build().unwrap();
    let live = support::live();
    let handle = live.handle();
    let events = topic.subscribe(Replay::Now).for_connection(live.handle());
    let events = live.stream(futures::StreamExt::map(events, |it| it.map(|it| *it).ok()));
    let mut events = task::spawn(events.farewell(|end| {
        assert_eq!(end.reason(), CloseReason::App(7));
        Some(Some(99))
    }));
    let mut plain = task::spawn(topic.subscribe(Replay::Now));
    assert_pending!(events.poll_next());
    publish(&topic, [1, 2]);
    assert!(topic.close(CloseReason::App(7)));
    assert!(!topic.close(CloseReason::Shutdown));
    // The connection is open until its reader has come to the end.
    assert!(handle.state().closed().is_none());
    for item in [1, 2, 99] {
        assert_eq!(assert_ready!(events.poll_next()), Some(Some(item)));
    }
    assert!(assert_ready!(events.poll_next()).is_none());
    // Without a connection it is the end of the stream.
    assert_eq!(ready(&mut plain), [Ok(1), Ok(2)]);
    assert!(next(&mut plain).is_none());
    // Later subscribers get what is retained, and the end.
    let mut late = task::spawn(topic.subscribe(Replay::All));
    assert_eq!(ready(&mut late), [Ok(1), Ok(2)]);
    assert!(next(&mut late).is_none());
    let closed = PublishError::Closed(CloseReason::App(7));
    assert_eq!(topic.publish(3).unwrap_err(), closed);
    // Nothing that was accepted is forgotten.
    assert_eq!(topic.reset(Cursor::new(7, 0)).unwrap_err(), closed);
    let mut late = task::spawn(topic.subscribe(Replay::All));
    assert_eq!(ready(&mut late), [Ok(1), Ok(2)]);
}

#[test]
fn a_subscription_after_the_close_ends_after_what_is_retained() {
    let topic = builder(2).build().unwrap();
    publish(&topic, 1..=3);
    assert!(topic.close(CloseReason::Shutdown));
    let mut late = task::spawn(topic.subscribe(Replay::All));
    assert_eq!(ready(&mut late), [Ok(2), Ok(3)]);
    assert!(next(&mut late).is_none());
}

#[test]
fn a_close_wakes_those_who_wait() {
    let topic = builder(1).build().unwrap();
    let mut waits = task::spawn(topic.subscribe(Replay::Now));
    assert_pending!(waits.poll_next());
    topic.close(CloseReason::Shutdown);
    assert!(waits.is_woken());
    assert!(next(&mut waits).is_none());
    // It stays at its end.
    assert!(next(&mut waits).is_none());
}

#[test]
fn the_last_clone_ends_the_topic() {
    let topic = builder(1).build().unwrap();
    let mut waits = task::spawn(topic.subscribe(Replay::Now));
    let clone = topic.clone();
    drop(topic);
    assert_pending!(waits.poll_next());
    publish(&clone, [1]);
    drop(clone);
    assert!(waits.is_woken());
    assert_eq!(ready(&mut waits), [Ok(1)]);
    assert!(next(&mut waits).is_none());
}

#[test]
fn what_cannot_be_published_changes_nothing() {
    let topic = Topic::builder(Retention::items(10).bytes(8))
        .size(|item: &String| item.len())
        .build()
        .unwrap();
    publish(&topic, ["12345678".to_owned()]);
    let before = topic.cursor();
    let place = |number| Cursor::new(before.incarnation(), number);
    let refusals = [
        topic.publish("123456789".to_owned()),
        topic.publish_in(SIDE, String::new()),
        topic.append_at(Lane::default(), before, String::new()),
        topic.append_at(Lane::default(), place(0), String::new()),
        topic.append_at(
            Lane::default(),
            Cursor::new(before.incarnation() ^ 1, 9),
            String::new(),
        ),
    ];
    let [size, limit] = [9, 8];
    assert_eq!(
        refusals,
        [
            Err(PublishError::TooLarge { size, limit }),
            Err(PublishError::NoLane),
            Err(PublishError::NotAfter { last: before }),
            Err(PublishError::NotAfter { last: before }),
            Err(PublishError::OtherIncarnation),
        ]
    );
    assert_eq!((topic.cursor(), topic.len(), topic.bytes()), (before, 1, 8));
}

#[test]
fn bytes_are_limited() {
    let topic = Topic::builder(Retention::items(10).bytes(8))
        .size(|item: &String| item.len())
        .build()
        .unwrap();
    let mut slow = task::spawn(topic.subscribe(Replay::Now));
    publish(&topic, ["123", "456", "78"].map(str::to_owned));
    assert_eq!((topic.len(), topic.bytes()), (3, 8));
    publish(&topic, ["9abc".to_owned()]);
    assert_eq!((topic.len(), topic.bytes()), (2, 6));
    let gap = next(&mut slow).unwrap().unwrap_err();
    assert_eq!((gap.from.number(), gap.to.number()), (0, 2));
}

#[test]
fn a_flood_in_one_lane_evicts_nothing_of_another() {
    let lanes = builder(2).lane(SIDE, Retention::items(5));
    let topic = lanes.build().unwrap();
    let mut slow = task::spawn(topic.subscribe(Replay::Now));
    publish(&topic, [1]);
    topic.publish_in(SIDE, 100).unwrap();
    publish(&topic, 3..=6);
    // 1, 3 and 4 are lost; 100, at the second place, is still there.
    let gap = next(&mut slow).unwrap().unwrap_err();
    assert_eq!((gap.from.number(), gap.to.number()), (0, 4));
    // A client that resumes behind the whole gap would miss 100.
    assert_eq!(gap.resume, gap.from);
    assert_eq!(ready(&mut slow), [Ok(100), Ok(5), Ok(6)]);
}

#[test]
fn a_lane_of_the_latest_value_has_no_gaps() {
    let topic = builder(10).lane(SIDE, Retention::latest()).build().unwrap();
    let mut slow = task::spawn(topic.subscribe(Replay::Now));
    for value in 1..=3 {
        topic.publish_in(SIDE, value).unwrap();
        publish(&topic, [10 * value]);
    }
    assert_eq!(ready(&mut slow), [Ok(10), Ok(20), Ok(3), Ok(30)]);
    assert_eq!(topic.len(), 4);
}

#[test]
fn what_is_too_old_is_gone() {
    let begin = Instant::now();
    let after = |seconds| begin + Duration::from_secs(seconds);
    let topic = Topic::builder(Retention::items(10).age(Duration::from_secs(5)))
        .expired_by_hand(begin)
        .build()
        .unwrap();
    publish(&topic, [1]);
    topic.expire(after(3));
    publish(&topic, [2]);
    let mut slow = task::spawn(topic.subscribe(Replay::All));
    topic.expire(after(5));
    assert_eq!(topic.len(), 2);
    // Time does not go back.
    topic.expire(after(6));
    topic.expire(after(0));
    assert_eq!(topic.len(), 1);
    assert_eq!(ready(&mut slow), [Err((0, 1)), Ok(2)]);
    topic.expire(after(100));
    assert!(topic.is_empty());
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn the_runtime_tells_ages() {
    let topic = Topic::builder(Retention::items(10).age(Duration::from_secs(5)));
    let topic = topic.build().unwrap();
    publish(&topic, [1]);
    tokio::time::advance(Duration::from_secs(6)).await;
    let mut late = task::spawn(topic.subscribe(Replay::All));
    assert_pending!(late.poll_next());
    assert!(topic.is_empty());
}

#[test]
fn what_a_topic_needs_and_has_not_is_an_error() {
    let no_size = builder(1).lane(SIDE, Retention::items(1).bytes(1)).build();
    assert_eq!(no_size.unwrap_err(), BuildTopicError::NoSize);
    let aged = Topic::<u8>::builder(Retention::items(1).age(Duration::ZERO)).build();
    let woken = builder(1).max_inline_wakes(1).build();
    for error in [aged.unwrap_err(), woken.unwrap_err()] {
        assert_eq!(
            error,
            BuildTopicError::NoRuntime(hangup::runtime::NoRuntime)
        );
    }
}

#[test]
fn another_incarnation_is_a_gap_and_never_a_wrong_place() {
    let before = builder(10).build().unwrap();
    publish(&before, 1..=5);
    let last_seen = before.cursor();
    let restarted = builder(10).build().unwrap();
    publish(&restarted, 11..=19);
    let mut resumed = task::spawn(restarted.subscribe(Replay::After(last_seen)));
    let gap = next(&mut resumed).unwrap().unwrap_err();
    assert_eq!(gap.from, last_seen);
    assert_eq!(gap.to.incarnation(), restarted.cursor().incarnation());
    let all: Vec<_> = (11..=19).map(Ok).collect();
    assert_eq!(ready(&mut resumed), all);
    let mut again = task::spawn(restarted.subscribe(Replay::After(gap.resume)));
    assert_eq!(ready(&mut again), all);
}

#[test]
fn a_reset_is_told_to_those_who_read() {
    let topic = builder(10).build().unwrap();
    publish(&topic, [1, 2]);
    let last = topic.cursor();
    let mut reader = task::spawn(topic.subscribe(Replay::Now));
    assert_pending!(reader.poll_next());
    let start = Cursor::new(7, 100);
    topic.reset(start).unwrap();
    let early = topic.reset(Cursor::new(7, 99)).unwrap_err();
    assert_eq!(early, PublishError::NotAfter { last: start });
    assert!(reader.is_woken() && topic.is_empty());
    let gap = next(&mut reader).unwrap().unwrap_err();
    assert_eq!((gap.from, gap.to, gap.resume), (last, start, start));
    assert_pending!(reader.poll_next());
    let third = topic.publish(3).unwrap();
    assert_eq!(third, Cursor::new(7, 101));
    assert_eq!(ready(&mut reader), [Ok(3)]);
}

#[test]
fn a_topic_that_is_fed_waits_for_a_reader_ahead_of_it() {
    let place = |number| Cursor::new(7, number);
    let topic = builder(10).fed(place(100)).build().unwrap();
    let mut ahead = task::spawn(topic.subscribe(Replay::After(place(120))));
    let mut behind = task::spawn(topic.subscribe(Replay::After(place(90))));
    assert_pending!(ahead.poll_next());
    // What comes before the first item that it was fed with is not here.
    assert_eq!(ready(&mut behind), [Err((90, 100))]);
    // The numbers are not contiguous.
    for number in [110, 120, 130, 131] {
        let item = number as u32;
        topic
            .append_at(Lane::default(), place(number), item)
            .unwrap();
    }
    assert_eq!(ready(&mut ahead), [Ok(130), Ok(131)]);
    let all = [110, 120, 130, 131].map(Ok);
    assert_eq!(ready(&mut behind), all);
    let mut between = task::spawn(topic.subscribe(Replay::After(place(125))));
    assert_eq!(ready(&mut between), [Ok(130), Ok(131)]);
    // Behind the highest number there is no place.
    let highest = place(u64::MAX);
    topic.append_at(Lane::default(), highest, 0).unwrap();
    let refused = topic.publish(1).unwrap_err();
    assert_eq!(refused, PublishError::NotAfter { last: highest });
    assert_eq!(ready(&mut between), [Ok(0)]);
    // A topic that gives the numbers itself has given none that is ahead.
    let topic = builder(10).build().unwrap();
    publish(&topic, [1]);
    let forged = Cursor::new(topic.cursor().incarnation(), 9);
    let mut ahead = task::spawn(topic.subscribe(Replay::After(forged)));
    assert_eq!(ready(&mut ahead), [Err((9, 1))]);
    publish(&topic, [2]);
    assert_eq!(ready(&mut ahead), [Ok(2)]);
}

#[test]
fn a_backfill_fills_a_gap_and_what_it_cannot_fill_is_told() {
    let topic = |until: u64| {
        let source = move |gap: Gap| {
            let place = move |number| Cursor::new(gap.to.incarnation(), number);
            // More than was asked for, on both sides.
            let items = (1..=until).map(move |number| Ok((place(number), number as u32)));
            let end = (until < gap.to.number()).then_some(Err(BackfillError));
            Box::pin(stream::iter(items.chain(end))) as _
        };
        let topic = builder(2).backfill(source).build().unwrap();
        publish(&topic, 1..=10);
        topic
    };
    for (until, expected) in [
        (99, vec![Ok(4), Ok(5), Ok(6), Ok(7), Ok(8), Ok(9), Ok(10)]),
        (6, vec![Ok(4), Ok(5), Ok(6), Err((6, 8)), Ok(9), Ok(10)]),
        (0, vec![Err((3, 8)), Ok(9), Ok(10)]),
    ] {
        let topic = topic(until);
        let third = Cursor::new(topic.cursor().incarnation(), 3);
        let mut reader = task::spawn(topic.subscribe(Replay::After(third)));
        assert_eq!(ready(&mut reader), expected, "the source has {until}");
        publish(&topic, [11]);
        assert_eq!(ready(&mut reader), [Ok(11)]);
    }
}

#[test]
fn what_is_older_than_the_session_is_not_replayed() {
    let topic = builder(2).build().unwrap();
    publish(&topic, 1..=4);
    let session = topic.cursor();
    publish(&topic, [5]);
    let place = |number| Cursor::new(session.incarnation(), number);
    let foreign = Cursor::new(session.incarnation() ^ 1, 1);
    for replay in [Replay::All, Replay::After(place(1)), Replay::After(foreign)] {
        let mut reader = task::spawn(topic.subscribe(replay).since(session));
        assert_eq!(ready(&mut reader), [Ok(5)], "{replay:?}");
    }
    let ahead = topic.subscribe(Replay::All).since(place(99));
    assert_eq!(ready(&mut task::spawn(ahead)), []);
    // What was lost since then is a gap, and a session of an earlier life bounds nothing.
    publish(&topic, [6, 7]);
    let mut reader = task::spawn(topic.subscribe(Replay::All).since(session));
    assert_eq!(ready(&mut reader), [Err((4, 5)), Ok(6), Ok(7)]);
    let mut reader = task::spawn(topic.subscribe(Replay::All).since(foreign));
    assert_eq!(ready(&mut reader), [Ok(6), Ok(7)]);
}

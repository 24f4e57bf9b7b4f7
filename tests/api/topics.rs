//! Topics by key.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hangup::topic::{
    Cursor, Lane, PublishError, Replay, Retention, SubscribeError, Subscription, Topic,
    TopicBuilder, Topics,
};
use hangup::{CloseReason, Scope};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready};

use crate::support::log::Log;

type Numbers = Topics<String, u32>;

fn topic() -> TopicBuilder<u32> {
    Topic::builder(Retention::items(10))
}

fn ready(subscription: &mut Spawn<Subscription<u32>>) -> Vec<u32> {
    let mut ready = Vec::new();
    while let std::task::Poll::Ready(Some(next)) = subscription.poll_next() {
        ready.push(*next.unwrap());
    }
    ready
}

#[test]
fn a_key_has_a_topic_as_long_as_it_needs_one() {
    let topics = Numbers::new(topic()).unwrap();
    let ada = topics.subscribe("ada", Replay::Now).unwrap();
    let bob = topics.subscribe("bob", Replay::Now).unwrap();
    assert_eq!((topics.len(), topics.subscribers("ada")), (2, 1));
    topics.publish("bob", 1).unwrap();
    drop((ada, bob));
    // What was published under `bob` is retained.
    assert_eq!((topics.len(), topics.subscribers("bob")), (1, 0));
    let mut late = task::spawn(topics.subscribe("bob", Replay::All).unwrap());
    assert_eq!(ready(&mut late), [1]);
    drop(late);
    assert!(topics.close("bob", CloseReason::Shutdown));
    assert!(!topics.close("bob", CloseReason::Shutdown));
    assert!(topics.is_empty());
}

#[test]
fn r27_accepted_then_closed() {
    let topics = Numbers::new(topic()).unwrap();
    let scope = Scope::new();
    let live = scope.live().unwrap();
    let events = topics.subscribe("ada", Replay::Now).unwrap();
    let events = events.for_connection(live.handle()).gap_as(|_| 0);
    let events = live.stream(events);
    let mut events =
        task::spawn(events.farewell(|end| Some(u32::from(end.reason() == CloseReason::App(1)))));
    assert_pending!(events.poll_next());
    topics.publish("ada", 7).unwrap();
    topics.close("ada", CloseReason::App(1));
    // For those who come later.
    topics.publish("ada", 8).unwrap();
    assert_eq!(assert_ready!(events.poll_next()), Some(7));
    assert_eq!(assert_ready!(events.poll_next()), Some(1));
    assert_eq!(assert_ready!(events.poll_next()), None);
    let mut late = task::spawn(topics.subscribe("ada", Replay::All).unwrap());
    assert_eq!(ready(&mut late), [8]);
}

#[test]
fn a_cursor_is_no_place_in_a_later_topic_of_the_same_key() {
    let topics = Numbers::new(topic()).unwrap();
    let last = topics.publish("ada", 1).unwrap();
    topics.close("ada", CloseReason::Shutdown);
    let next = topics.publish("ada", 2).unwrap();
    assert_eq!(next.incarnation(), last.incarnation());
    assert!(next.number() > last.number());
    // Nothing was lost between the two.
    let mut resumed = task::spawn(topics.subscribe("ada", Replay::After(last)).unwrap());
    assert_eq!(ready(&mut resumed), [2]);
}

#[test]
fn a_cursor_of_one_key_is_a_gap_under_another() {
    let topics = Numbers::new(topic()).unwrap();
    let seen = (1..=3)
        .map(|item| topics.publish("ada", item).unwrap())
        .next_back();
    for item in 1..=5 {
        topics.publish("bob", item).unwrap();
    }
    let resumed = topics.subscribe("bob", Replay::After(seen.unwrap()));
    let mut resumed = task::spawn(resumed.unwrap());
    let gap = assert_ready!(resumed.poll_next()).unwrap().unwrap_err();
    assert_eq!(gap.from, seen.unwrap());
    assert_eq!(ready(&mut resumed), [1, 2, 3, 4, 5]);
}

#[test]
fn the_last_hook_comes_also_after_the_topics() {
    let log = Log::default();
    let last = log.clone();
    let topics = Numbers::builder(topic())
        .on_last(move |key: &String| last.add(key.clone()))
        .build()
        .unwrap();
    let mut events = task::spawn(topics.subscribe("ada", Replay::Now).unwrap());
    drop(topics.clone());
    topics.publish("ada", 1).unwrap();
    drop(topics);
    assert_eq!(ready(&mut events), [1]);
    assert_eq!(log.entries(), ["ada"]);
}

#[test]
fn hooks_come_in_turns_also_over_a_close() {
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let topics = Numbers::builder(topic())
        .on_first(move |key: &String| first.add(format!("first {key}")))
        .on_last(move |key: &String| last.add(format!("last {key}")))
        .build()
        .unwrap();
    let subscribe = || topics.subscribe("ada", Replay::Now).unwrap();
    let (one, two) = (subscribe(), subscribe());
    drop(one);
    topics.close("ada", CloseReason::Shutdown);
    // Its predecessor still has a subscription.
    let three = subscribe();
    drop(two);
    assert_eq!(log.entries(), ["first ada"]);
    drop(three);
    assert_eq!(log.entries(), ["first ada", "last ada"]);
    assert!(topics.is_empty());
    drop(subscribe());
    assert_eq!(log.entries()[2..], ["first ada", "last ada"]);
}

#[test]
fn a_hook_may_panic_and_use_the_topics() {
    let topics: Arc<Mutex<Option<Numbers>>> = Arc::default();
    let inner = Arc::clone(&topics);
    let built = Numbers::builder(topic())
        .on_first(move |key: &String| {
            let topics = inner.lock().unwrap().clone().unwrap();
            topics.publish(key.as_str(), 5).unwrap();
            panic!("in a hook");
        })
        .build()
        .unwrap();
    *topics.lock().unwrap() = Some(built.clone());
    let mut events = task::spawn(built.subscribe("ada", Replay::Now).unwrap());
    // Subscribed first, so what the hook published is not missed.
    assert_eq!(ready(&mut events), [5]);
    // The topics hold their hooks, and these the topics.
    topics.lock().unwrap().take();
}

#[test]
fn one_call_publishes_under_many_keys() {
    let topics = Numbers::new(topic()).unwrap();
    let mut readers =
        ["ada", "bob", "cid"].map(|key| task::spawn(topics.subscribe(key, Replay::Now).unwrap()));
    assert_eq!(topics.publish_all(&1), 3);
    let wanted = |key: &String| key != "bob";
    assert_eq!(topics.publish_where(Lane::default(), &2, wanted), 2);
    assert_eq!(topics.publish_where(Lane::new(9), &2, wanted), 0);
    let got = readers.each_mut().map(ready);
    assert_eq!(got, [vec![1, 2], vec![1], vec![1, 2]]);
    assert_eq!(Numbers::new(topic()).unwrap().publish_all(&1), 0);
}

#[test]
fn their_number_is_limited_and_what_is_refused_leaves_nothing() {
    let topics = Topics::<u32, String>::builder(
        Topic::builder(Retention::items(10).bytes(3)).size(String::len),
    )
    .max_topics(2)
    .build()
    .unwrap();
    let kept = topics.subscribe(&1, Replay::Now).unwrap();
    let refused = topics.publish(&2, "1234".to_owned()).unwrap_err();
    assert!(matches!(refused, PublishError::TooLarge { .. }));
    assert_eq!(topics.len(), 1);
    topics.publish(&2, "123".to_owned()).unwrap();
    let refused = topics.publish(&3, String::new()).unwrap_err();
    assert_eq!(refused, PublishError::TooManyTopics);
    let refused = topics.subscribe(&3, Replay::Now).unwrap_err();
    assert_eq!(refused, SubscribeError::TooManyTopics);
    // Keys that are there are not refused, and a place that is given back is free.
    topics.publish(&1, String::new()).unwrap();
    topics.close(&2, CloseReason::Shutdown);
    topics.publish(&3, String::new()).unwrap();
    drop(kept);
}

#[test]
fn keys_that_have_become_idle_go_when_others_come() {
    let begin = Instant::now();
    let topic = Topic::builder(Retention::items(10).age(Duration::from_secs(5)));
    let topics = Topics::<u32, u32>::new(topic.expired_by_hand(begin)).unwrap();
    for key in 0..1000 {
        topics.publish(&key, 1).unwrap();
    }
    topics.expire(begin + Duration::from_secs(4));
    assert_eq!(topics.len(), 1000);
    topics.expire(begin + Duration::from_secs(10));
    assert_eq!(topics.len(), 0);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn an_idle_key_makes_room_for_a_new_one() {
    let topic = Topic::builder(Retention::items(10).age(Duration::from_secs(5)));
    let topics = Topics::<u32, u32>::builder(topic).max_topics(10);
    let topics = topics.build().unwrap();
    for key in 0..10 {
        topics.publish(&key, 1).unwrap();
    }
    let refused = topics.publish(&10, 1).unwrap_err();
    assert_eq!(refused, PublishError::TooManyTopics);
    tokio::time::advance(Duration::from_secs(6)).await;
    for key in 10..20 {
        let events = topics.subscribe(&key, Replay::Now).unwrap();
        topics.publish(&key, 1).unwrap();
        drop(events);
    }
    assert_eq!(topics.len(), 10);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn idle_keys_are_few_without_a_sweep() {
    let topic = Topic::builder(Retention::items(10).age(Duration::from_secs(5)));
    let topics = Topics::<u32, u32>::new(topic).unwrap();
    for key in 0..20_000 {
        tokio::time::advance(Duration::from_secs(1)).await;
        topics.publish(&key, 1).unwrap();
    }
    // Five are young, and each of the shards has a few that it has not looked at.
    assert!(topics.len() < 1000, "{}", topics.len());
}

#[test]
fn subscriptions_end_with_the_topics() {
    let topics = Numbers::new(topic()).unwrap();
    let mut events = task::spawn(topics.subscribe("ada", Replay::Now).unwrap());
    assert_pending!(events.poll_next());
    topics.publish("ada", 1).unwrap();
    drop(topics);
    assert!(events.is_woken());
    assert_eq!(ready(&mut events), [1]);
    assert!(assert_ready!(events.poll_next()).is_none());
}

#[test]
fn all_close_at_once() {
    let topics = Numbers::new(topic()).unwrap();
    let mut readers = ["ada", "bob"].map(|key| {
        let scope = Scope::new();
        let live = scope.live().unwrap();
        let events = topics.subscribe(key, Replay::Now).unwrap();
        let handle = live.handle();
        let events = live.stream(events.for_connection(handle.clone()));
        (task::spawn(events), handle)
    });
    topics.publish_all(&1);
    assert_eq!(topics.close_all(CloseReason::Shutdown), 2);
    assert_eq!(topics.close_all(CloseReason::Shutdown), 0);
    for (reader, handle) in &mut readers {
        assert_eq!(*assert_ready!(reader.poll_next()).unwrap().unwrap(), 1);
        assert!(assert_ready!(reader.poll_next()).is_none());
        let closed = handle.state().closed().unwrap();
        assert_eq!(closed.reason, CloseReason::Shutdown);
    }
    assert!(topics.is_empty());
}

#[test]
fn keys_are_fed_from_outside() {
    let place = |number| Cursor::new(7, number);
    let topics = Numbers::new(topic().fed(place(0))).unwrap();
    let lane = Lane::default();
    topics.append_at("ada", lane, place(5), 50).unwrap();
    let mut events = task::spawn(topics.subscribe("ada", Replay::All).unwrap());
    assert_eq!(ready(&mut events), [50]);
    topics.reset("ada", Cursor::new(8, 2)).unwrap();
    let gap = assert_ready!(events.poll_next()).unwrap().unwrap_err();
    assert_eq!((gap.from, gap.to), (place(5), Cursor::new(8, 2)));
    assert_eq!(topics.cursor("ada"), Some(Cursor::new(8, 2)));
    assert_eq!(topics.cursor("bob"), None);
}

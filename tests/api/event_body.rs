//! Events that are encoded once, as bodies.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use hangup::CloseReason;
use hangup::topic::{
    Cursor, EventBody, Lane, PublishError, Replay, Retention, SseEvent, Topic, Topics,
};
use http_body::Body;
use tokio_test::{assert_pending, assert_ready, task};

use crate::support;

fn topic() -> Topic<Bytes> {
    Topic::new(Retention::items(9))
}

fn frame<B>(body: &mut task::Spawn<B>) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Unpin,
{
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    frame.map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_the_farewell_come_between_whole_events() {
    let topic = topic();
    let live = support::live();
    let events = topic.subscribe(Replay::All).for_connection(live.handle());
    let events = events.gap_as(|gap| SseEvent::new("gap").data(&gap.to_string()).into_bytes());
    let events = live
        .stream(events)
        .heartbeat(Duration::from_secs(5), || {
            SseEvent::heartbeat("here").into_bytes()
        })
        .unwrap()
        .farewell(|end| Some(SseEvent::new("closed").data(&end.to_string()).into_bytes()));
    let mut body = task::spawn(Box::pin(EventBody::new(events)));
    let first = topic.publish_event(SseEvent::message("one\ntwo")).unwrap();
    let expected = format!("data: one\ndata: two\nid: {first}\n\n");
    assert_eq!(frame(&mut body).unwrap(), expected);
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    // Time is paused: it goes on once nothing else is to be done.
    let heartbeat = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
    assert_eq!(
        heartbeat.unwrap().unwrap().into_data().unwrap(),
        ": here\n\n"
    );
    // What is accepted before the close arrives before the farewell.
    let second = topic
        .publish_event(SseEvent::new("late").data("3"))
        .unwrap();
    topic.close(CloseReason::App(1));
    let expected = format!("event: late\ndata: 3\nid: {second}\n\n");
    assert_eq!(frame(&mut body).unwrap(), expected);
    assert_eq!(frame(&mut body).unwrap(), "event: closed\ndata: app(1)\n\n");
    assert_eq!(frame(&mut body), None);
}

#[test]
fn an_event_is_encoded_once_for_all() {
    let topic = topic();
    let subscribe = || topic.subscribe(Replay::All).gap_as(|_| Bytes::new());
    let mut bodies = [(); 3].map(|()| task::spawn(EventBody::new(subscribe())));
    topic.publish_event(SseEvent::message("one")).unwrap();
    let frames = bodies.each_mut().map(|body| frame(body).unwrap().as_ptr());
    assert_eq!(frames, [frames[0]; 3]);
}

#[test]
fn a_limit_in_bytes_counts_the_text() {
    let keep = Retention::items(9).bytes(100);
    let topics = Topics::<u8, Bytes>::new(Topic::builder(keep).size(Bytes::len)).unwrap();
    let event = |len: usize| SseEvent::message(&"x".repeat(len));
    let refused = topics.publish_event(&1, event(100)).unwrap_err();
    assert!(matches!(refused, PublishError::TooLarge { limit: 100, .. }));
    let refused = topics.publish_event_in(&1, Lane::new(1), event(1));
    assert_eq!(refused, Err(PublishError::NoLane));
    assert!(topics.is_empty());
    let kept = topics.publish_event(&1, event(30)).unwrap();
    // The second one is over the limit with the first.
    topics.publish_event(&1, event(30)).unwrap();
    let all = topics
        .subscribe(&1, Replay::After(Cursor::new(kept.incarnation(), 0)))
        .unwrap();
    let mut body = task::spawn(EventBody::new(
        all.gap_as(|gap| SseEvent::new("gap").id(gap.resume).into_bytes()),
    ));
    assert_eq!(
        frame(&mut body).unwrap(),
        format!("event: gap\nid: {kept}\n\n")
    );
    assert!(frame(&mut body).unwrap().starts_with(b"data: xxx"));
}

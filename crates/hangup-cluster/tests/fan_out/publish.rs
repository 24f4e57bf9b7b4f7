//! Publishing when answers are lost.

use std::time::Duration;

use hangup::topic::Replay;
use hangup_cluster::engine::Claims;
use hangup_cluster::fan_out::PublishError;
use hangup_cluster::memory::{Fate, Memory, Method};

use crate::support::{builder, expect, expect_nothing, key, node, publish, subscribe};

/// The next publications of the node have these fates.
fn fates(link: &hangup_cluster::memory::Link, fates: &[Fate]) {
    for (number, fate) in (link.calls() + 1..).zip(fates) {
        link.fate_of(number, *fate);
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_answer_is_lost_is_in_the_log_once() {
    let slow = Duration::from_secs(30);
    let lost = [
        Fate::Lose { applied: true },
        Fate::Lose { applied: false },
        Fate::Late(Duration::from_secs(1)),
        Fate::Delay(slow),
        Fate::DelayAnswer(slow),
    ];
    for first in lost {
        for second in [Fate::Answer].into_iter().chain(lost) {
            let memory = Memory::on_current().unwrap();
            // Longer than two calls that are not answered.
            let link = memory.link();
            let topics = builder(link.clone())
                .publish_deadline(Duration::from_secs(30))
                .build()
                .unwrap();
            let (_, other) = node(&memory, 10);
            let mut events = subscribe(&other, Replay::Now).await;
            publish(&topics, [0]).await;
            fates(&link, &[first, second]);
            let published = topics.publish(&key(), "1").await.unwrap();
            publish(&topics, [2]).await;
            tokio::time::sleep(slow * 2).await;
            assert_eq!(expect(&mut events, [0, 1]).await, published);
            expect(&mut events, [2]).await;
            expect_nothing(&mut events).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_said_to_be_so_at_the_deadline() {
    for fate in [
        Fate::Lose { applied: true },
        Fate::DelayAnswer(Duration::from_secs(60)),
    ] {
        let memory = Memory::on_current().unwrap();
        let link = memory.link();
        let topics = builder(link.clone())
            .publish_deadline(Duration::from_secs(7))
            .build()
            .unwrap();
        let mut events = subscribe(&topics, Replay::Now).await;
        link.fates(move |call| match call.method {
            Method::Publish => fate,
            _ => Fate::Answer,
        });
        let begun = tokio::time::Instant::now();
        let error = topics.publish(&key(), "0").await.unwrap_err();
        assert!(
            matches!(error, PublishError::Unknown { attempts, .. } if attempts > 1),
            "{error}"
        );
        let elapsed = begun.elapsed();
        assert!(elapsed > Duration::from_secs(4), "{elapsed:?}");
        assert!(elapsed < Duration::from_millis(7_010), "{elapsed:?}");
        // It is there all the same, once.
        link.behave();
        publish(&topics, [1]).await;
        expect(&mut events, [0, 1]).await;
        expect_nothing(&mut events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    let memory = Memory::builder()
        .max_size(4)
        .build(tokio::runtime::Handle::current());
    let (link, topics) = node(&memory, 10);
    let error = topics.publish(&key(), "12345").await.unwrap_err();
    assert!(
        matches!(error, PublishError::TooLarge { size: 5, limit: 4 }),
        "{error}"
    );
    link.adopt().await.unwrap();
    memory.forget();
    let calls = link.calls();
    let error = topics.publish(&key(), "1").await.unwrap_err();
    assert!(matches!(error, PublishError::Forgotten), "{error}");
    assert_eq!(link.calls(), calls + 1);
}

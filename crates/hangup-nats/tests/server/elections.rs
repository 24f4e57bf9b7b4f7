//! Servers that are killed, or stand still and go on, while several nodes write.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hangup_cluster::engine::{Claims, EngineError, Revision, Swapped};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::Nats;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::bench::{LONG, server};

/// What a node was told of its writes, each of which has a number of its own.
#[derive(Default)]
struct Told {
    done: Vec<(u64, u32)>,
    refused: Vec<u32>,
    unknown: usize,
}

async fn connect(servers: &[NatsServer]) -> Nats {
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    let nats = known(|| {
        let nats = Nats::builder(urls.join(",")).replicas(urls.len());
        nats.timeout(Duration::from_secs(1)).connect()
    });
    let nats = nats.await;
    known(|| nats.adopt()).await;
    nats
}

/// What a call returns that may be repeated.
async fn known<T, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, EngineError>>,
{
    let asking = async {
        loop {
            match ask().await {
                Err(EngineError::Unknown(_)) => sleep(Duration::from_millis(5)).await,
                answer => return answer.unwrap(),
            }
        }
    };
    timeout(LONG, asking).await.expect("an answer in time")
}

/// The record is the list of all writes that took effect.
async fn history(nats: &Nats) -> (Option<Revision>, Vec<u32>) {
    let Some(found) = known(|| nats.load("history")).await else {
        return (None, Vec::new());
    };
    let numbers = found.value.chunks(4);
    let numbers = numbers.map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
    (Some(found.revision), numbers.collect())
}

/// Appends to the history until the end, and counts the answers.
async fn append(
    nats: &Nats,
    own: u32,
    answers: &AtomicUsize,
    until: &watch::Receiver<bool>,
) -> Told {
    let mut told = Told::default();
    for number in own << 24.. {
        if *until.borrow() {
            break;
        }
        let (expected, mut numbers) = history(nats).await;
        numbers.push(number);
        let value = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        match nats.swap("history", expected, value, None).await {
            Ok(Swapped::Done(revision)) => {
                assert!(Some(revision) > expected);
                told.done.push((revision.0, number));
            }
            Ok(Swapped::Conflict) => told.refused.push(number),
            Err(EngineError::Unknown(_)) => {
                told.unknown += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// Several nodes write while `breaks` runs. What is done is there once, in the order of the
/// revisions, and what was refused is not there.
async fn is_as_told(
    servers: &mut [NatsServer],
    breaks: impl AsyncFnOnce(&mut [NatsServer], &Writing),
) {
    let writing = Writing {
        watcher: connect(servers).await,
        answers: Arc::default(),
    };
    let (end, until) = watch::channel(false);
    let mut appending = Vec::new();
    for own in 0..3 {
        let (nats, until) = (connect(servers).await, until.clone());
        let answers = Arc::clone(&writing.answers);
        appending.push(tokio::spawn(async move {
            append(&nats, own, &answers[own as usize], &until).await
        }));
    }
    breaks(servers, &writing).await;
    end.send_replace(true);
    let mut all = Told::default();
    for appending in appending {
        let told = appending.await.unwrap();
        all.done.extend(told.done);
        all.refused.extend(told.refused);
        all.unknown += told.unknown;
    }
    let (_, history) = history(&writing.watcher).await;
    println!(
        "{} done, {} refused, {} unknown, {} there",
        all.done.len(),
        all.refused.len(),
        all.unknown,
        history.len()
    );
    all.done.sort_unstable();
    let done: Vec<_> = all.done.iter().map(|(_, number)| *number).collect();
    let is_done: HashSet<_> = done.iter().copied().collect();
    let there = history.iter().copied();
    assert!(
        there
            .clone()
            .filter(|number| is_done.contains(number))
            .eq(done)
    );
    let refused = there.filter(|number| all.refused.contains(number));
    assert_eq!(
        refused.collect::<Vec<_>>(),
        [0; 0],
        "written, and told as refused"
    );
    assert!(history.len() <= is_done.len() + all.unknown);
}

/// Nodes that write, and one that looks on.
struct Writing {
    watcher: Nats,
    /// How often each of those that write has had an answer.
    answers: Arc<[AtomicUsize; 3]>,
}

impl Writing {
    /// Waits until some more is written, and each node has had an answer: one that has not would
    /// wait for the next leader as well, and the one after that.
    async fn goes_on(&self) {
        let answers = || {
            self.answers
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
        };
        let before: Vec<_> = answers().collect();
        let written = history(&self.watcher).await.1.len();
        let going_on = async {
            while history(&self.watcher).await.1.len() <= written + 20
                || answers().zip(&before).any(|(now, before)| now == *before)
            {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, going_on).await.expect("it goes on in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_as_told_when_the_server_is_killed() {
    is_as_told(&mut [server()], async |servers, writing| {
        for _ in 0..3 {
            writing.goes_on().await;
            servers[0].kill();
            servers[0].restart();
        }
        writing.goes_on().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_as_told_when_servers_are_killed() {
    let mut servers = NatsServer::start_three(NatsOptions::default());
    is_as_told(&mut servers, async |servers, writing| {
        // Each of them in turn, so that leaders are among them.
        for server in servers {
            writing.goes_on().await;
            server.kill();
            writing.goes_on().await;
            server.restart();
        }
        writing.goes_on().await;
    })
    .await;
}

/// A leader that stands still and goes on answers by its past, beside its successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_as_told_when_servers_stand_still() {
    let mut servers = NatsServer::start_three(NatsOptions::default());
    is_as_told(&mut servers, async |servers, writing| {
        for server in servers {
            writing.goes_on().await;
            server.stop();
            writing.goes_on().await;
            server.go_on();
        }
        writing.goes_on().await;
    })
    .await;
}

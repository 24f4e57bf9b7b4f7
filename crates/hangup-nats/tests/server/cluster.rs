//! Three servers, of which one is lost.

use hangup_cluster::engine::{Claims, Log, LogEvent};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::Nats;
use hangup_nats::async_nats::{self, jetstream};

use crate::bench::{assert_forgotten, eventually, known, next, unknown, write};

async fn engine(servers: &[NatsServer], replicas: usize) -> Nats {
    let nats = Nats::builder(urls(servers)).replicas(replicas);
    let nats = nats.connect().await.unwrap();
    // Servers that have just begun meet and elect their leader first.
    known(async || nats.adopt().await).await.unwrap();
    nats
}

fn urls(servers: &[NatsServer]) -> String {
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    urls.join(",")
}

/// Which of the servers leads a stream.
async fn leader(servers: &[NatsServer], stream: &str) -> usize {
    let urls = urls(servers);
    let urls: Vec<async_nats::ServerAddr> =
        urls.split(',').map(|url| url.parse().unwrap()).collect();
    let raw = jetstream::new(async_nats::connect(urls).await.unwrap());
    let name = eventually(async || {
        let stream = raw.get_stream(stream).await.ok()?;
        stream.cached_info().cluster.as_ref()?.leader.clone()
    });
    name.await.strip_prefix('n').unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_may_be_lost() {
    let mut servers = NatsServer::start_three(NatsOptions::default());
    let nats = engine(&servers, 3).await;
    let first = write(&nats, "name", None, None).await;
    let start = nats.start("topic").await.unwrap();
    let published = nats.publish("topic", "1", b"1".to_vec()).await.unwrap();
    let leader = leader(&servers, "hangup-records").await;
    servers[leader].kill();
    // Its disk, too.
    servers[leader].wipe();
    let loaded = known(async || nats.load("name").await).await.unwrap();
    assert_eq!(loaded.unwrap().revision, first);
    let again = known(async || nats.publish("topic", "1", b"1".to_vec()).await).await;
    assert_eq!(again.unwrap(), published);
    let second = eventually(async || {
        let swapped = known(async || nats.swap("other", None, Vec::new(), None).await).await;
        swapped.unwrap();
        nats.load("other").await.ok()?
    });
    assert!(second.await.revision > first);
    servers[leader].restart();
    let mut read = known(async || nats.read("topic", start).await)
        .await
        .unwrap();
    let event = match next(&mut read).await {
        Ok(event) => event,
        Err(_) => {
            read = known(async || nats.read("topic", start).await)
                .await
                .unwrap();
            next(&mut read).await.unwrap()
        }
    };
    assert_eq!(event, LogEvent::Item(published, b"1".to_vec()));
}

/// The other servers know what the streams are called, and what they are: the one without its disk
/// makes them anew as they were, and empty.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_one_that_has_it_is_lost() {
    let mut servers = NatsServer::start_three(NatsOptions::default());
    let nats = engine(&servers, 1).await;
    write(&nats, "name", None, None).await;
    write(&nats, "name-2", None, None).await;
    let keeper = leader(&servers, "hangup-records").await;
    servers[keeper].kill();
    servers[keeper].wipe();
    servers[keeper].restart();
    assert_forgotten(known(async || nats.swap("name", None, Vec::new(), None).await).await);
    let why = eventually(async || {
        let why = unknown(nats.adopt().await);
        why.contains("was emptied").then_some(why)
    });
    why.await;
}

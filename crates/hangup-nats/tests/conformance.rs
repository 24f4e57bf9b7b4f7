//! What every engine owes, on servers of its own for each check.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hangup_cluster::conformance::{self, Doing, Node, Subject, Timing};
use hangup_cluster::engine::{Answer, Claims, EngineError, HintStream, Hints};
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::async_nats::ConnectOptions;
use hangup_nats::{MIN_LOG_ITEMS, Nats};
use tokio::time::{sleep, timeout};

/// Longer than servers take to begin.
const START: Duration = Duration::from_secs(60);

/// One server, or three that keep everything three times.
struct OnServers(Mutex<Vec<NatsServer>>);

impl OnServers {
    fn one() -> Self {
        // What it acknowledged is there after a kill, since the operating system has it.
        Self(Mutex::new(vec![NatsServer::start(NatsOptions::default())]))
    }

    fn three() -> Self {
        Self(Mutex::new(
            NatsServer::start_three(NatsOptions::default()).into(),
        ))
    }

    fn servers(&self) -> MutexGuard<'_, Vec<NatsServer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription gets to the other servers of a cluster a moment after the one that it is made
/// at, and what is sent there before is lost, as a hint may be. The checks send at once and expect
/// it, so that a listener of theirs first waits until it hears from each server.
struct Settled {
    nats: Nats,
    /// One engine at each server.
    senders: Vec<Nats>,
}

/// Begins what is sent for that alone.
const SETTLE: &[u8] = b"settle ";

impl Hints for Settled {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        self.nats.send(inbox, hint)
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(async move {
            let mut hints = self.nats.listen(inbox).await?;
            let mut heard = HashSet::new();
            for _ in 0..100 {
                for (index, sender) in (0_u8..).zip(&self.senders) {
                    if !heard.contains(&index) {
                        sender.send(inbox, [SETTLE, &[index]].concat()).await?;
                    }
                }
                while heard.len() < self.senders.len() {
                    let hint = timeout(Duration::from_millis(50), hints.next()).await;
                    let Ok(Some(hint)) = hint else { break };
                    heard.extend(hint.strip_prefix(SETTLE).map(|index| index[0]));
                }
                if heard.len() == self.senders.len() {
                    let hints =
                        hints.filter_map(async |hint| (!hint.starts_with(SETTLE)).then_some(hint));
                    return Ok(Box::pin(hints) as HintStream);
                }
            }
            let words = format!("only the servers {heard:?} know of {inbox}");
            Err(EngineError::unknown(words))
        })
    }
}

impl Subject for OnServers {
    fn node(&self) -> Doing<'_, Node> {
        let urls: Vec<_> = self.servers().iter().map(NatsServer::url).collect();
        Box::pin(async move {
            let builder = Nats::builder(urls.join(","))
                .replicas(urls.len())
                .log_items(MIN_LOG_ITEMS);
            let nats = builder.connect().await?;
            // Three servers that have just begun meet and elect their leader first.
            let begun = Instant::now();
            while let Err(error) = nats.adopt().await {
                if begun.elapsed() > START {
                    return Err(error.into());
                }
                sleep(Duration::from_millis(100)).await;
            }
            if urls.len() == 1 {
                return Ok(Node::of(nats));
            }
            let mut senders = Vec::new();
            for url in urls {
                let options = ConnectOptions::new().ignore_discovered_servers();
                senders.push(Nats::builder(url).options(options).connect().await?);
            }
            let settled = Settled {
                nats: nats.clone(),
                senders,
            };
            Ok(Node::of(nats).hints(settled))
        })
    }

    fn timing(&self) -> Timing {
        // Other tests run beside it, and a stay on a busy machine is not the engine's.
        Timing::new(Duration::from_secs(1))
            .late(Duration::from_secs(5))
            .patience(Duration::from_secs(30))
    }

    fn restart(&self) -> Option<Doing<'_, ()>> {
        let mut servers = self.servers();
        servers.iter_mut().for_each(NatsServer::kill);
        servers.iter_mut().for_each(NatsServer::restart);
        drop(servers);
        Some(Box::pin(async { self.node().await.map(drop) }))
    }

    fn pause(&self) -> Option<Doing<'_, ()>> {
        self.servers().iter().for_each(NatsServer::stop);
        Some(Box::pin(async { Ok(()) }))
    }

    fn resume(&self) -> Doing<'_, ()> {
        self.servers().iter().for_each(NatsServer::go_on);
        Box::pin(async { Ok(()) })
    }

    fn forget(&self) -> Option<Doing<'_, ()>> {
        let mut servers = self.servers();
        servers.iter_mut().for_each(NatsServer::kill);
        for server in servers.iter_mut() {
            server.wipe();
            server.restart();
        }
        drop(servers);
        Some(Box::pin(async { Ok(()) }))
    }

    fn kept_items(&self) -> Option<usize> {
        Some(MIN_LOG_ITEMS as usize)
    }

    fn remembers_ids(&self) -> bool {
        true
    }
}

mod one {
    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[tokio::test]
            async fn $name() {
                super::conformance::passes(stringify!($name), &super::OnServers::one()).await;
            }
        )*};
    }
    hangup_cluster::conformance_checks!(tests);
}

/// Three servers take long to begin: these run always, and the others if `HANGUP_LONG=1` is set.
const FEW_ON_THREE: [&str; 8] = [
    "contention_loses_no_write",
    "one_of_two_writes_an_absent_record",
    "hints_arrive_once_and_in_order",
    "reading_begins_behind_any_cursor",
    "what_is_not_kept_is_a_gap",
    "records_outlive_a_restart",
    "a_reader_misses_nothing_over_a_restart",
    "revisions_ascend_when_all_is_forgotten",
];

mod three {
    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[tokio::test]
            async fn $name() {
                let name = stringify!($name);
                let is_long = std::env::var_os("HANGUP_LONG").is_some_and(|value| value == "1");
                if is_long || super::FEW_ON_THREE.contains(&name) {
                    super::conformance::passes(name, &super::OnServers::three()).await;
                } else {
                    println!("{name}: left to HANGUP_LONG=1");
                }
            }
        )*};
    }
    hangup_cluster::conformance_checks!(tests);
}

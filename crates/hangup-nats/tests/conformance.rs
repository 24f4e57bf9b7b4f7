//! What every engine owes, on servers of its own for each check.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hangup_cluster::conformance::{self, Doing, Node, Subject, Timing};
use hangup_cluster::engine::Claims;
use hangup_engines::nats::{NatsOptions, NatsServer};
use hangup_nats::{MIN_LOG_ITEMS, Nats};

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

impl Subject for OnServers {
    fn node(&self) -> Doing<'_, Node> {
        let urls: Vec<_> = self.servers().iter().map(NatsServer::url).collect();
        Box::pin(async move {
            let builder = Nats::builder(urls.join(","))
                .replicas(urls.len())
                .timeout(Duration::from_secs(5))
                .log_items(MIN_LOG_ITEMS);
            let nats = builder.connect().await?;
            // Three servers that have just begun elect their leader first.
            let mut adopted = nats.adopt().await;
            for _ in 0..10 {
                if adopted.is_ok() {
                    break;
                }
                adopted = nats.adopt().await;
            }
            adopted?;
            Ok(Node::of(nats))
        })
    }

    fn timing(&self) -> Timing {
        // Other tests run beside it, and a stay on a busy machine is not the engine's.
        Timing::new(Duration::from_secs(1)).patience(Duration::from_secs(30))
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

mod three {
    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[tokio::test]
            async fn $name() {
                super::conformance::passes(stringify!($name), &super::OnServers::three()).await;
            }
        )*};
    }
    hangup_cluster::conformance_checks!(tests);
}

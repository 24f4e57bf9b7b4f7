//! What every engine owes, on a server of its own for each check.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hangup_cluster::conformance::{self, Doing, Node, Subject, Timing};
use hangup_cluster::engine::Claims;
use hangup_engines::redis::{Persistence, RedisServer};
use hangup_redis::{MAX_VALUE, Redis};

struct OnServer {
    server: Mutex<RedisServer>,
    persistence: Persistence,
}

impl OnServer {
    fn new(persistence: Persistence) -> Self {
        Self {
            server: Mutex::new(RedisServer::start(persistence)),
            persistence,
        }
    }

    fn with(&self, then: impl FnOnce(&mut RedisServer)) -> Doing<'_, ()> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.kill();
        then(&mut server);
        server.restart();
        Box::pin(async { Ok(()) })
    }
}

impl Subject for OnServer {
    fn node(&self) -> Doing<'_, Node> {
        let url = self
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .url();
        Box::pin(async {
            let redis = Redis::builder(url)
                .timeout(Duration::from_secs(2))
                .log_items(100)
                .connect()
                .await?;
            redis.adopt().await?;
            Ok(Node::of(redis))
        })
    }

    fn timing(&self) -> Timing {
        // Other tests run beside it, and a stay on a busy machine is not the engine's.
        Timing::new(Duration::from_millis(300)).patience(Duration::from_secs(30))
    }

    fn restart(&self) -> Option<Doing<'_, ()>> {
        (self.persistence == Persistence::Always).then(|| self.with(|_| ()))
    }

    fn pause(&self) -> Option<Doing<'_, ()>> {
        self.server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stop();
        Some(Box::pin(async { Ok(()) }))
    }

    fn resume(&self) -> Doing<'_, ()> {
        self.server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .go_on();
        Box::pin(async { Ok(()) })
    }

    fn forget(&self) -> Option<Doing<'_, ()>> {
        Some(self.with(RedisServer::wipe))
    }

    fn max_size(&self) -> Option<usize> {
        Some(MAX_VALUE)
    }

    fn kept_items(&self) -> Option<usize> {
        Some(100)
    }

    fn remembers_ids(&self) -> bool {
        true
    }
}

mod default {
    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[tokio::test]
            async fn $name() {
                let subject = super::OnServer::new(super::Persistence::Default);
                super::conformance::passes(stringify!($name), &subject).await;
            }
        )*};
    }
    hangup_cluster::conformance_checks!(tests);
}

mod always {
    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[tokio::test]
            async fn $name() {
                let subject = super::OnServer::new(super::Persistence::Always);
                super::conformance::passes(stringify!($name), &subject).await;
            }
        )*};
    }
    hangup_cluster::conformance_checks!(tests);
}

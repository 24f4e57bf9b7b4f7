//! A gateway as a node of a cluster.

use std::future::pending;
use std::io;
use std::time::Duration;

use axum::extract::FromRef;
use futures::StreamExt;
use hangup::topic::Replay;
use hangup_cluster::fan_out::{Subscription, TopicName, Topics};
use hangup_cluster::{Cluster, Key};

use super::super::problem::Problem;
use super::super::settings::Settings;
use super::super::{DELETED, Gateway, RETENTION, stats};
use super::engine::Engine;
use super::job_router::RemoteRouter;
use super::message::Message;
use super::refusal::Refusal;

/// A gateway, and its place among the nodes.
#[derive(Clone)]
pub(crate) struct Member {
    pub(super) gateway: Gateway,
    pub(super) cluster: Cluster,
    pub(super) messages: Topics<Message>,
    pub(super) job_router: Option<RemoteRouter>,
    /// How long a claim waits.
    pub(super) patience: Duration,
    lease: Duration,
}

impl FromRef<Member> for Gateway {
    fn from_ref(member: &Member) -> Self {
        member.gateway.clone()
    }
}

impl Member {
    pub(super) async fn join(
        gateway: Gateway,
        settings: &Settings,
        engine: Engine,
    ) -> io::Result<Self> {
        let Engine { claims, hints, log } = engine;
        let options = &settings.cluster;
        let lease = options.lease;
        let noted = gateway.clone();
        let mut node = Cluster::builder_on(claims, hints, log)
            .node(&options.node)
            .lease(lease)
            .note(move || stats::numbers(&noted).to_string());
        if let Some(margin) = options.margin {
            node = node.margin(margin);
        }
        let cluster = node.build().await.map_err(io::Error::other)?;
        let messages = cluster.topics(Message::decode).retention(RETENTION);
        Ok(Self {
            gateway,
            messages: messages.build().map_err(io::Error::other)?,
            cluster,
            job_router: options.job_router.clone(),
            // As long as a node that dies keeps its names, and then an undo.
            patience: lease + settings.undo,
            lease,
        })
    }

    pub(super) fn check_lease(&self) -> Result<(), Problem> {
        if self.cluster.has_lease() {
            return Ok(());
        }
        let retry_after = self.lease;
        Err(Refusal::NoLease { retry_after }.into())
    }

    /// What is revoked from now on, on any node.
    pub(super) async fn revocations(&self) -> io::Result<Subscription<Message>> {
        let topic = revocations();
        let revocations = self.messages.subscribe(&topic, Replay::Now);
        revocations.await.map_err(io::Error::other)
    }

    /// Revokes what others revoke.
    pub(super) async fn follow(self, mut revocations: Subscription<Message>) {
        while let Some(message) = revocations.next().await {
            // A gap would be that this node missed some: more than the engine keeps.
            let Some(Message::Revoked(agent)) = message.as_deref().ok() else {
                continue;
            };
            if self.gateway.permissions.revoke(agent) {
                // Those that asked before; what was accepted has ended the others.
                self.gateway.agents.close(agent, DELETED);
            }
        }
        pending::<()>().await;
    }
}

/// The topic of the revocations.
pub(super) fn revocations() -> TopicName {
    let key = Key::new("revocations", "").expect("it is short");
    key.topic()
}

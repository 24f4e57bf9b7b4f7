//! What other nodes tell this one.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use hangup::{CloseReason, Closed};

use super::seat::Undone;
use super::session::Session;
use super::state::Node;
use crate::hint::Hint;
use crate::key::Key;
use crate::record::Seat;

impl Node {
    /// Reads the inbox of `session` until it has ended.
    pub(super) async fn read_inbox(self: Arc<Self>, session: Arc<Session>) {
        let reading = pin!(async {
            let mut failures = 0;
            loop {
                if let Ok(mut hints) = self.parts.hints.listen(session.id.inbox()).await {
                    failures = 0;
                    while let Some(hint) = hints.next().await {
                        if let Some(hint) = Hint::parse(&hint) {
                            self.receive(&session, hint);
                        }
                    }
                }
                failures += 1;
                self.sleep(self.timing().retry(failures)).await;
            }
        });
        match select(reading, pin!(session.ended.wait())).await {
            Either::Left((never, _)) => never,
            Either::Right(((), _)) => {}
        }
    }

    /// Does what another node asks for. It runs undos of connections that it closes.
    pub(super) fn receive(self: &Arc<Self>, session: &Arc<Session>, hint: Hint) {
        match hint {
            Hint::Look { number } => {
                if let Some(seat) = self.get(&session.id, number) {
                    seat.look.set();
                }
            }
            Hint::Wanted { key, seat, by } => {
                let owner = self.get(&seat.session, seat.number);
                match owner.map_or(Poll::Ready(Ok(())), |owner| owner.permission()) {
                    Poll::Ready(Ok(())) => {
                        let words = format!("taken over on node {by}");
                        self.end(session, &key, &seat, CloseReason::Superseded, Some(words));
                    }
                    // The lease is over, so the newcomer may have taken the key without waiting.
                    Poll::Ready(Err(lost)) => self.end(session, &key, &seat, lost, None),
                    // The next renewal decides whether the lease is over. A newcomer that waits asks
                    // again.
                    Poll::Pending => {}
                }
            }
            Hint::Close {
                key,
                seat,
                reason,
                words,
            } => {
                if let Ok(reason) = reason.parse() {
                    self.end(session, &key, &seat, reason, words);
                }
            }
        }
    }

    fn end(
        self: &Arc<Self>,
        session: &Arc<Session>,
        key: &str,
        seat: &Seat,
        reason: CloseReason,
        words: Option<String>,
    ) {
        if seat.session != session.id {
            return;
        }
        match self.get(&session.id, seat.number) {
            Some(local) => {
                // `Err` if it had closed.
                let _: Result<(), Closed> = match words {
                    Some(words) => local.handle.close_with(reason, words),
                    None => local.handle.close(reason),
                };
            }
            // A write that has taken effect after its seat was given back. It did nothing, so what
            // was dirty stays so.
            None => {
                let (node, session) = (Arc::clone(self), Arc::clone(session));
                let (key, seat) = (Key::from_encoded(key), seat.clone());
                self.parts.runtime.spawn(Box::pin(async move {
                    let is_over = || session.lease.is_lost();
                    node.take_out(&key, &seat, None, None, Undone::AsBefore, is_over)
                        .await;
                }));
            }
        }
    }
}

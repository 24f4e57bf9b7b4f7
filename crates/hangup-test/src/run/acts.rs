//! What the kit does to a server: second connections arrive, actions of the test run, the
//! handler panics.

use std::panic::resume_unwind;
use std::rc::Rc;

use super::state::{FIRST, Run};
use super::task::{Role, Task};
use crate::client::Client;
use crate::party::Party;
use crate::plan::{Act, LocalFuture};
use crate::trial::INJECTED;

impl<E: Clone + 'static> Run<E> {
    pub(super) fn arrive(&mut self) -> usize {
        let client = Client::new(&self.trial, Party::Newcomer);
        let handler = self.handler(&client);
        let name = "the newcomer's handler".into();
        self.add(Party::Newcomer, Role::Handler, name, handler)
    }

    /// Panics at the point where the handler waits. A wait outside the kit cannot panic,
    /// so the future is dropped during a panic.
    ///
    /// Behind a pipe, the handler is in a task of the server, and the client goes on.
    pub(super) fn panic(&mut self) {
        let panics = |task: &Task| task.waits_at.as_ref().is_some_and(|waits| waits.panics);
        let serves = |task: &Task| {
            task.serves && task.party == Party::First && task.future.is_some() && panics(task)
        };
        if let Some(at) = self.tasks.iter().position(serves) {
            self.ended(Party::First);
            self.poll(at, true);
            return;
        }
        if panics(&self.tasks[FIRST]) {
            self.trial.client_leaves(Party::First);
            self.poll(FIRST, true);
        }
        self.trial.client_leaves(Party::First);
        if let Some(future) = self.tasks[FIRST].future.take() {
            let unwinding = || {
                let _dropped_by_it = future;
                resume_unwind(Box::new(INJECTED));
            };
            self.user_code(Party::First, unwinding);
            self.adopt();
            self.look(Party::First);
        }
        self.trial.set_responding(Party::First, false);
    }

    /// Starts an action of the test on the server, with one poll. Returns its task.
    pub(super) fn act(&mut self, party: Party, act: LocalFuture<()>) -> usize {
        let act = self.add(party, Role::Act, "what the test does".into(), act);
        self.poll(act, false);
        act
    }

    pub(super) fn event(&self, event: Option<&Rc<Act<E>>>) -> LocalFuture<()> {
        let (event, server) = (event.map(Rc::clone), self.server());
        Box::pin(async move {
            if let Some(event) = event {
                event(server).await;
            }
        })
    }

    /// Returns the future of the handler, which calls the handler in its first poll.
    pub(super) fn handler(&self, client: &Client) -> LocalFuture<()> {
        let handler = Rc::clone(&self.plan.handler);
        let (server, client) = (self.server(), client.clone());
        Box::pin(async move { handler(server, client).await })
    }
}

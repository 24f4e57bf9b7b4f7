//! The client side of one connection.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_core::Stream;

use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::party::Party;
use crate::signal::Signal;
use crate::trial::Trial;

/// The client side of one connection, as the test of a handler drives it.
///
/// Cloning is cheap; all clones are the same client.
#[derive(Debug, Clone)]
pub struct Client {
    trial: Trial,
    party: Party,
    signal: Signal,
}

impl Client {
    pub(crate) fn new(trial: &Trial, party: Party) -> Self {
        Self {
            trial: trial.clone(),
            party,
            signal: trial.make_signal(None),
        }
    }

    /// Returns which of the two connections this is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// Returns the run of this connection.
    #[must_use]
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// Returns the signal that fires when the request is cancelled. A handler that calls
    /// this is also tried with [`Ending::Signal`](crate::Ending::Signal).
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.trial.note_signal_taken(self.party);
        self.signal.clone()
    }

    /// Resolves at once while the client reads, and never once it has stopped
    /// ([`Ending::Stalled`](crate::Ending::Stalled)). [`respond`](Self::respond) awaits it
    /// before each item; a client that is written by hand awaits it before each read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn reads(&self) {
        if !self.trial.reads(self.party) {
            pending::<()>().await;
        }
    }

    /// Reads a response to its end. It adds a point after the head, before the first poll
    /// of the stream, and one after every item.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream: the response ends.
    pub async fn respond<S: Stream>(&self, stream: S) {
        let mut stream = pin!(stream);
        // This guard also runs when the future is dropped and the handler goes on.
        let _responding = Responding::begin(self);
        self.trial.point("the response head").await;
        let mut items = 0;
        loop {
            let next = poll_fn(|cx| match self.trial.reads(self.party) {
                true => stream.as_mut().poll_next(cx),
                // A client that has stopped reading does not start again.
                false => Poll::Pending,
            });
            if next.await.is_none() {
                return;
            }
            items += 1;
            self.trial.point(format!("item {items}")).await;
        }
    }

    /// Reports that the connection is live from now on. It is a fault if it was visible
    /// before.
    pub fn live(&self) {
        let mut state = self.ledger().state();
        let early = state.shown(self.party);
        let by = self.party;
        let faults = early
            .into_iter()
            .map(|name| Fault::VisibleNotLive { name, by });
        state.faults.extend(faults);
    }

    /// Confirms that the [published](Ledger::published) item of this number has arrived.
    ///
    /// The first item may have any number. Each later one must be one more than the one
    /// before, and none may be missing when all tasks are idle. A connection that has
    /// received none is not checked, so publish an item when the server starts.
    pub fn delivered(&self, number: u64) {
        self.ledger().state().delivered(self.party, number);
    }

    pub(crate) fn fire(&self) {
        self.signal.fire();
    }

    fn ledger(&self) -> &Ledger {
        self.trial.ledger()
    }
}

/// Marks the response as being streamed.
struct Responding<'a>(&'a Client);

impl<'a> Responding<'a> {
    fn begin(client: &'a Client) -> Self {
        client.trial.set_responding(client.party, true);
        Self(client)
    }
}

impl Drop for Responding<'_> {
    fn drop(&mut self) {
        self.0.trial.set_responding(self.0.party, false);
    }
}

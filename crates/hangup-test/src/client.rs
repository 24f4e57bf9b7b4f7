//! The other end of one connection.

use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;

use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::party::Party;
use crate::signal::Signal;
use crate::trial::Trial;

/// The other end of one connection, as the handler's test drives it.
///
/// Cheap to clone; all clones are the same client.
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

    /// Which of the two it is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// The run that this is in.
    #[must_use]
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// The signal that says that the request is cancelled. A handler that asks for it is
    /// also tried with [`Ending::Signal`](crate::Ending::Signal).
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.trial.note_signal_taken(self.party);
        self.signal.clone()
    }

    /// Reads a response to its end. There is a point after its head, before the stream is
    /// polled at all, and one after every item.
    pub async fn respond<S: Stream>(&self, stream: S) {
        let mut stream = pin!(stream);
        // Also when it is dropped: a handler may go on without it.
        let _responding = Responding::begin(self);
        self.trial.point("the response head").await;
        let mut items = 0;
        while poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_some() {
            items += 1;
            self.trial.point(format!("item {items}")).await;
        }
    }

    /// Says that the connection is live now. It must not have been to be found before.
    pub fn live(&self) {
        let mut state = self.ledger().state();
        let early = state.shown(self.party);
        let by = self.party;
        let faults = early
            .into_iter()
            .map(|name| Fault::VisibleNotLive { name, by });
        state.faults.extend(faults);
    }

    /// Says that the item of this number has [come](Ledger::published).
    ///
    /// The first may be any; from then on each must be one more than the one before, and
    /// when all is at rest none may be outstanding. Who has got none yet is not expected to
    /// get any, so let there be one when the server starts.
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

/// A response that is under way.
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

//! What a server can know of the connections that run over a pipe.

use std::collections::{BTreeMap, BTreeSet};

use crate::party::Party;

/// Cuts a pipe at the client's end, whichever task has that end by then.
pub(crate) type Cut = Box<dyn FnOnce() + Send>;

/// The pipes of the connections. A server knows that a client has gone once it has come to
/// the end of each of its pipes.
#[derive(Default)]
pub(crate) struct Wires {
    /// How many pipes of a party have an end that the server has not seen.
    open: BTreeMap<Party, usize>,
    cuts: Vec<(Party, Cut)>,
    /// The parties whose clients have gone.
    gone: BTreeSet<Party>,
}

impl Wires {
    #[cfg(feature = "hyper")]
    pub(crate) fn open(&mut self, party: Party, cut: Cut) {
        *self.open.entry(party).or_default() += 1;
        self.cuts.push((party, cut));
    }

    /// The server has come to the end of a pipe. Returns `true` if it knows now that the
    /// client has gone.
    #[cfg(feature = "hyper")]
    pub(crate) fn ends(&mut self, party: Party) -> bool {
        if let Some(open) = self.open.get_mut(&party) {
            *open = open.saturating_sub(1);
        }
        self.gone.contains(&party) && self.are_over(party)
    }

    /// The client has gone. Returns whether the server knows it at once, and what cuts the
    /// pipes.
    pub(crate) fn leave(&mut self, party: Party) -> (bool, Vec<Cut>) {
        self.gone.insert(party);
        let all = std::mem::take(&mut self.cuts);
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, _)| *of == party);
        self.cuts = others;
        let cuts = own.into_iter().map(|(_, cut)| cut).collect();
        (self.are_over(party), cuts)
    }

    /// Returns `true` if the connection runs over a pipe.
    pub(crate) fn are_used(&self, party: Party) -> bool {
        self.open.contains_key(&party)
    }

    fn are_over(&self, party: Party) -> bool {
        self.open.get(&party).is_none_or(|open| *open == 0)
    }
}

//! The records of the protocol, and what each write makes of one.
//!
//! Who owns a key is decided by compare-and-swap on its record alone. The functions here are pure:
//! they say what is to be written, and the engine decides whether it is.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use serde::{Deserialize, Serialize};

use crate::engine::{EngineError, Record, Revision};
use crate::epoch::Epoch;

/// One life of a node: from its start, or from the loss of the one before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SessionId(String);

impl SessionId {
    /// An id that no other session has: 128 bits that are hard to guess.
    pub(crate) fn random() -> Self {
        // The keys are random, and differ with each call.
        let half = || RandomState::new().build_hasher().finish();
        Self(format!("{:016x}{:016x}", half(), half()))
    }

    /// The name of its inbox.
    pub(crate) fn inbox(&self) -> &str {
        &self.0
    }

    /// The name of its record.
    pub(crate) fn record(&self) -> String {
        format!("s.{}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One attempt to own a key, and what it owns it as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub(crate) session: SessionId,
    /// Unique in its session.
    pub(crate) number: u64,
    /// For people.
    pub(crate) node: String,
    /// For people, and for those who look it up on its node.
    pub(crate) connection: String,
}

impl Seat {
    fn is(&self, other: &Self) -> bool {
        self.session == other.session && self.number == other.number
    }
}

/// Who owns a key, and who is next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimRecord {
    pub(crate) owner: Option<Seat>,
    /// `None` as long as the write that made the owner is the last one: its revision is the epoch.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) next: Option<Seat>,
    /// What an earlier owner did may not be undone.
    pub(crate) dirty: bool,
}

/// How a record looks to one seat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    Owner(Epoch),
    /// It waits for this owner.
    Next(&'a Seat),
    Held(&'a Seat),
    Free,
}

impl ClaimRecord {
    pub(crate) fn parse(record: &Record) -> Result<Self, EngineError> {
        serde_json::from_slice(&record.value).map_err(EngineError::unknown)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has no maps with keys that are no text")
    }

    /// How it looks to `me`, if the last write has this revision.
    pub(crate) fn look(&self, me: &Seat, revision: Revision) -> Look<'_> {
        match (&self.owner, &self.next) {
            (None, _) => Look::Free,
            (Some(owner), _) if owner.is(me) => Look::Owner(self.epoch_at(revision)),
            (Some(owner), Some(next)) if next.is(me) => Look::Next(owner),
            (Some(owner), _) => Look::Held(owner),
        }
    }

    /// The epoch of the owner, if the last write has this revision.
    pub(crate) fn epoch_at(&self, revision: Revision) -> Epoch {
        self.epoch.unwrap_or_else(|| Epoch::new(revision.0))
    }

    /// `me` is the owner: of a free key, or after an owner that is `unsettled`.
    pub(crate) fn owned_by(&self, me: &Seat, unsettled: bool) -> Self {
        Self {
            owner: Some(me.clone()),
            epoch: None,
            // A newcomer that came earlier: it finds that it is not next any more.
            next: None,
            dirty: self.dirty || unsettled,
        }
    }

    /// `me` is next, in the place of an earlier newcomer.
    pub(crate) fn reserved_by(&self, me: &Seat, revision: Revision) -> Self {
        Self {
            epoch: Some(self.epoch_at(revision)),
            next: Some(me.clone()),
            ..self.clone()
        }
    }

    /// What remains without `me`; `None` if it is not in it. The next one is the owner then.
    pub(crate) fn without(&self, me: &Seat, revision: Revision, dirty: bool) -> Option<Self> {
        match (&self.owner, &self.next) {
            (Some(owner), _) if owner.is(me) => Some(Self {
                owner: self.next.clone(),
                epoch: None,
                next: None,
                dirty,
            }),
            (_, Some(next)) if next.is(me) => Some(Self {
                epoch: Some(self.epoch_at(revision)),
                next: None,
                ..self.clone()
            }),
            _ => None,
        }
    }
}

/// What is known of a session, in the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) node: String,
    pub(crate) state: SessionState,
    /// What the node says of itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionState {
    Alive,
    /// Alive, and about to leave.
    Draining,
    /// It has left. What it had was undone.
    EndedClean,
    /// It has left, and not all that it had was undone; or its lease has run out, and a newcomer has
    /// buried it.
    EndedUnclean,
}

impl SessionRecord {
    pub(crate) fn parse(record: &Record) -> Result<Self, EngineError> {
        serde_json::from_slice(&record.value).map_err(EngineError::unknown)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has no maps with keys that are no text")
    }

    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.state, SessionState::Alive | SessionState::Draining)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClaimRecord, Look, Seat, SessionId};
    use crate::engine::{Record, Revision};
    use crate::epoch::Epoch;

    fn seat(number: u64) -> Seat {
        Seat {
            session: SessionId("s".to_owned()),
            number,
            node: "a".to_owned(),
            connection: number.to_string(),
        }
    }

    #[test]
    fn the_epoch_is_the_revision_of_the_write_that_made_the_owner() {
        let (a, b, c) = (seat(1), seat(2), seat(3));
        let owned = ClaimRecord::default().owned_by(&a, false);
        assert_eq!(owned.look(&a, Revision(7)), Look::Owner(Epoch::new(7)));
        let reserved = owned.reserved_by(&b, Revision(7));
        let reserved = reserved.reserved_by(&c, Revision(8));
        assert_eq!(reserved.look(&a, Revision(9)), Look::Owner(Epoch::new(7)));
        assert_eq!(reserved.look(&b, Revision(9)), Look::Held(&a));
        assert_eq!(reserved.look(&c, Revision(9)), Look::Next(&a));
        let handed_over = reserved.without(&a, Revision(9), false).unwrap();
        assert_eq!(
            handed_over.look(&c, Revision(10)),
            Look::Owner(Epoch::new(10))
        );
    }

    #[test]
    fn a_reservation_that_is_withdrawn_leaves_the_owner_its_epoch() {
        let (a, b) = (seat(1), seat(2));
        let reserved = ClaimRecord::default().owned_by(&a, false);
        let reserved = reserved.reserved_by(&b, Revision(7));
        let withdrawn = reserved.without(&b, Revision(8), false).unwrap();
        assert_eq!(withdrawn.look(&a, Revision(9)), Look::Owner(Epoch::new(7)));
        assert_eq!(withdrawn.without(&b, Revision(9), false), None);
    }

    #[test]
    fn what_was_not_undone_is_remembered_until_an_owner_has_taken_it_over() {
        let (a, b) = (seat(1), seat(2));
        let after_death = ClaimRecord::default()
            .owned_by(&a, false)
            .owned_by(&b, true);
        assert!(after_death.dirty);
        let free = after_death.without(&b, Revision(1), true).unwrap();
        assert_eq!(free.look(&a, Revision(2)), Look::Free);
        assert!(free.owned_by(&a, false).dirty);
        assert!(!after_death.without(&b, Revision(1), false).unwrap().dirty);
    }

    #[test]
    fn a_record_of_another_version_is_an_error() {
        let garbage: [&[u8]; 4] = [b"", b"\xff", b"[]", b"{\"owner\":7}"];
        for value in garbage {
            let record = Record {
                revision: Revision(1),
                value: value.to_vec(),
            };
            assert!(ClaimRecord::parse(&record).is_err());
        }
    }
}

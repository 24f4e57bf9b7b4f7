//! The race that a difference suggests.
//!
//! It follows from what happened to the connections that differ. No race is named where
//! that would be a guess.

use std::cmp::Ordering;

use super::difference::Difference;
use super::manager::Manager;
use super::op::{Kind, Op, Outcome, Place};
use super::reference::{Connection, Owner, Reference};
use crate::race::Race;
use hangup::Phase;

pub(super) fn suspect<M>(
    difference: &Difference,
    op: Op,
    before: &Reference,
    after: &Reference,
    manager: &M,
) -> Option<Race>
where
    M: Manager + ?Sized,
{
    let case = Case { op, before, after };
    match difference {
        Difference::Outcome(seen, expected) => case.outcome(*seen, *expected),
        Difference::Visible(at, seen, expected) => {
            let is_visible = |who: usize, at| manager.visible(at).contains(&who);
            case.visible(*at, seen, expected, is_visible)
        }
        Difference::Count(_, seen, expected) => case.count(*seen, *expected),
        Difference::Undone(who, seen, expected) => case.undone(*who, seen, expected),
        Difference::State(who, seen, expected) => match (seen.is_closed(), expected.is_closed()) {
            (true, true) => Some(Race::R7),
            (false, true) => undead(case.at(*who)?),
            _ => None,
        },
    }
}

struct Case<'a> {
    op: Op,
    before: &'a Reference,
    after: &'a Reference,
}

impl<'a> Case<'a> {
    fn outcome(&self, seen: Outcome, expected: Outcome) -> Option<Race> {
        match (self.op, seen, expected) {
            (Op::Open(_, scope), Outcome::Done, Outcome::Refused) if self.drains(scope) => {
                Some(Race::R15)
            }
            (Op::Open(..) | Op::Join(..), Outcome::Done, Outcome::Refused) => Some(Race::R20),
            (Op::Close(..), Outcome::Done, Outcome::Closed) => Some(Race::R7),
            (Op::BeginStep(_), Outcome::Waits, Outcome::Closed) => Some(Race::R6),
            (op, Outcome::Done, Outcome::Closed) => undead(self.at(op.connection()?)?),
            (Op::TakeOver(..) | Op::Poll(_), Outcome::Done, Outcome::Waits) => Some(Race::R23),
            (_, Outcome::Count(seen), Outcome::Count(expected)) if seen > expected => {
                Some(Race::R7)
            }
            // The connection that the close missed goes on.
            (_, Outcome::Count(_), Outcome::Count(_)) => {
                let mut closed = self.closed_now();
                closed
                    .find(|c| phase(c) != Some(Phase::Live))
                    .and_then(undead)
            }
            _ => None,
        }
    }

    fn visible(
        &self,
        at: Place,
        seen: &[usize],
        expected: &[usize],
        is_visible: impl Fn(usize, Place) -> bool,
    ) -> Option<Race> {
        let elsewhere = |who: usize, visible: bool| {
            let places = self.at(who).map(|c| &c.places).into_iter().flatten();
            let mut others = places.filter(|other| **other != at);
            others.any(|other| is_visible(who, *other) == visible)
        };
        if let Some(extra) = seen.iter().find(|who| !expected.contains(who)) {
            return match elsewhere(*extra, false) && self.at(*extra)?.state.is_closed() {
                true => Some(Race::R21),
                false => undead(self.at(*extra)?),
            };
        }
        match expected.iter().find(|who| !seen.contains(who)) {
            Some(missing) if self.is_stale_close(*missing, at) => Some(Race::R8),
            Some(missing) if elsewhere(*missing, true) => Some(Race::R21),
            _ => None,
        }
    }

    fn count(&self, seen: i64, expected: i64) -> Option<Race> {
        if seen > expected {
            return self.closed_now().find_map(leaked);
        }
        let target = self.op.connection();
        let target = target.and_then(|who| self.before.connections.get(&who));
        match self.op.kind() {
            _ if seen < 0 || target.is_some_and(|c| c.settled) => Some(Race::R7),
            Kind::Open => Some(Race::R20),
            Kind::Register | Kind::Join | Kind::GoLive => Some(Race::R25),
            _ if self.closed_now().any(|c| c.owner == Owner::InStep) => Some(Race::R24),
            _ => None,
        }
    }

    fn undone(&self, who: usize, seen: &[usize], expected: &[usize]) -> Option<Race> {
        let connection = self.at(who)?;
        let twice = |step: &usize| seen.iter().filter(|other| *other == step).count() > 1;
        match seen.len().cmp(&expected.len()) {
            _ if seen.iter().any(twice) => Some(Race::R7),
            Ordering::Greater if connection.owner == Owner::InStep => Some(Race::R24),
            Ordering::Greater if self.op == Op::BeginStep(who) => Some(Race::R6),
            Ordering::Greater if self.op.connection() != Some(who) => Some(Race::R8),
            Ordering::Less => leaked(connection),
            Ordering::Equal | Ordering::Greater => None,
        }
    }

    /// Returns `true` if another connection that held the key is closed by this
    /// operation, or its owner acts.
    fn is_stale_close(&self, missing: usize, at: Place) -> bool {
        self.after.connections.iter().any(|(who, c)| {
            let is_named = self.op.connection() == Some(*who);
            let is_closed = |ended| is_named || self.after.is_now(ended);
            *who != missing && c.places.contains(&at) && c.ended.is_some_and(is_closed)
        })
    }

    fn closed_now(&self) -> impl Iterator<Item = &'a Connection> {
        let after = self.after;
        let all = after.connections.values();
        all.filter(|c| c.ended.is_some_and(|ended| after.is_now(ended)))
    }

    fn drains(&self, scope: usize) -> bool {
        self.before.draining[scope]
    }

    fn at(&self, who: usize) -> Option<&'a Connection> {
        self.after.connections.get(&who)
    }
}

/// A connection is closed and acts as if it were open.
fn undead(connection: &Connection) -> Option<Race> {
    let ended = connection.ended?;
    match (ended.by, phase(connection)?) {
        (Kind::CloseAll, Phase::Pending | Phase::Registering) => Some(Race::R15),
        (Kind::TakeOver, Phase::Registering) => Some(Race::R23),
        (_, Phase::Registering) if ended.in_step => Some(Race::R1),
        (_, Phase::Pending | Phase::Registering) => Some(Race::R5),
        (Kind::Close | Kind::Drop, Phase::Live) => Some(Race::R2),
        (_, Phase::Live) => None,
    }
}

/// A connection is closed and not fully undone.
fn leaked(connection: &Connection) -> Option<Race> {
    let ended = connection.ended?;
    match (ended.by, phase(connection)?) {
        (Kind::Drop, Phase::Registering) => Some(Race::R13),
        (_, Phase::Registering) if ended.in_step => Some(Race::R1),
        (_, Phase::Live) => Some(Race::R2),
        _ => None,
    }
}

fn phase(connection: &Connection) -> Option<Phase> {
    Some(connection.state.closed()?.from)
}

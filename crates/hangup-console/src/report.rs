//! What a page is told of the scope and of its part of the table.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hangup::report::{Snapshot, Stats};
use hangup::{Handle, Scope};
use serde::Serialize;

use crate::clip::clip;
use crate::recent::{millis, now, of, to_json};
use crate::roll::Roll;
use crate::select::{Selection, select};
use crate::view::View;

/// How many closed connections that have not settled are looked at for those that are stuck:
/// the oldest ones.
const SETTLING: usize = 256;
/// How many stuck ones are shown.
const STUCK: usize = 20;
/// How many keys and undos of a row are shown.
const MANY: usize = 8;

#[derive(Serialize)]
struct Report {
    at: u64,
    scope: Gauges,
    /// By reason.
    closed: BTreeMap<String, u64>,
    matched: usize,
    page: usize,
    pages: usize,
    rows: Vec<Row>,
    stuck: Stuck,
}

#[derive(Serialize)]
struct Gauges {
    pending: usize,
    registering: usize,
    live: usize,
    settling: usize,
    cap: Option<usize>,
    is_draining: bool,
    refused_full: u64,
    refused_draining: u64,
    undos_run: u64,
    undos_abandoned: u64,
    panics: u64,
}

#[derive(Serialize)]
struct Row {
    id: String,
    label: Option<String>,
    keys: Vec<Key>,
    more_keys: usize,
    /// `closed` until it has settled, and `settled` then.
    phase: &'static str,
    age_ms: Option<u64>,
    in_phase_ms: Option<u64>,
    idle_ms: Option<u64>,
    undos: Vec<String>,
    more_undos: usize,
    end: Option<String>,
    waits_for: Option<String>,
    is_stuck: bool,
}

#[derive(Serialize)]
struct Key {
    registry: String,
    /// To be sent back: whole, or it is too long for that.
    key: Option<String>,
    shown: String,
}

#[derive(Serialize)]
struct Stuck {
    after_ms: u64,
    rows: Vec<Row>,
    /// Whether there may be more.
    is_part: bool,
}

/// What `view` shows of `roll`, as JSON.
pub(crate) fn report(scope: &Scope, roll: &Roll, view: &View, stuck_after: Duration) -> Bytes {
    let stats = scope.stats();
    let Selection {
        rows,
        matched,
        page,
        pages,
    } = select(roll, view);
    let rows = rows.into_iter().map(|it| Row::of(&it.handle, stuck_after));
    to_json(&Report {
        at: now(),
        scope: gauges(scope, &stats),
        closed: closed(&stats),
        matched,
        page: page + 1,
        pages,
        rows: rows.collect(),
        stuck: stuck(roll, stuck_after),
    })
}

fn gauges(scope: &Scope, stats: &Stats) -> Gauges {
    Gauges {
        pending: stats.pending,
        registering: stats.registering,
        live: stats.live,
        settling: stats.settling,
        cap: scope.max_connections(),
        is_draining: scope.is_draining(),
        refused_full: stats.refused_full,
        refused_draining: stats.refused_draining,
        undos_run: stats.undos_run,
        undos_abandoned: stats.undos_abandoned,
        panics: stats.panics,
    }
}

fn closed(stats: &Stats) -> BTreeMap<String, u64> {
    let mut closed = BTreeMap::new();
    for (how, count) in &stats.closed {
        *closed.entry(how.reason.to_string()).or_default() += count;
    }
    if stats.closed_other > 0 {
        closed.insert("other".to_owned(), stats.closed_other);
    }
    closed
}

fn stuck(roll: &Roll, after: Duration) -> Stuck {
    let settling = roll.entries.iter().filter(|it| it.state.closed().is_some());
    let mut settling = settling.enumerate().peekable();
    let mut rows = Vec::new();
    let may_look = |looked: usize, rows: &Vec<Row>| looked < SETTLING && rows.len() < STUCK;
    while let Some((_, entry)) = settling.next_if(|(looked, _)| may_look(*looked, &rows)) {
        let row = Row::of(&entry.handle, after);
        rows.extend(row.is_stuck.then_some(row));
    }
    let is_part = settling.next().is_some();
    Stuck {
        after_ms: millis(after),
        rows,
        is_part,
    }
}

impl Row {
    fn of(connection: &Handle, stuck_after: Duration) -> Self {
        let it: Snapshot = connection.snapshot();
        let phase = match it.state.phase() {
            Some(hangup::Phase::Pending) => "pending",
            Some(hangup::Phase::Registering) => "registering",
            Some(hangup::Phase::Live) => "live",
            None if it.settled => "settled",
            None => "closed",
        };
        let is_settling = it.end.is_some() && !it.settled;
        let is_stuck = is_settling && it.in_state.is_some_and(|time| time >= stuck_after);
        let waits_for = it.waits_for.map(|it| clip(&it.to_string()));
        let an_undo = || is_settling.then(|| "an undo that runs".to_owned());
        Self {
            id: of(it.id),
            label: it.label.as_deref().map(clip),
            more_keys: it.keys.len().saturating_sub(MANY),
            keys: it.keys.into_iter().take(MANY).map(Key::of).collect(),
            phase,
            age_ms: it.age.map(millis),
            in_phase_ms: it.in_state.map(millis),
            idle_ms: it.idle_for.map(millis),
            more_undos: it.undos.len().saturating_sub(MANY),
            undos: it.undos.iter().take(MANY).map(|it| clip(it)).collect(),
            end: it.end.map(|end| clip(&end.to_string())),
            waits_for: waits_for.or_else(an_undo),
            is_stuck,
        }
    }
}

impl Key {
    fn of(held: hangup::report::HeldKey) -> Self {
        let shown = clip(&held.key);
        Self {
            registry: held.registry.into_owned(),
            key: (shown == held.key).then_some(held.key),
            shown,
        }
    }
}

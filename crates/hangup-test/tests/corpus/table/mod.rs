//! Handlers as servers ship them, each with one race, and the same handlers on `hangup`.

mod fake;
#[path = "../../support/on_trial.rs"]
mod on_trial;
mod on_hangup;
mod add_before_wiring;
mod body_guard;
mod cap;
mod heartbeat;
mod early_heartbeat;
mod backlog_ping;
mod late_cleanup;
mod late_undo;
mod permit;
mod remove_by_key;
mod replay;
mod spawning_drop;
mod superseded_loop;
mod two_indexes;
mod worker_route;

use hangup_test::{Race, Report};

/// The row of R26 without its point between the statements: ordinary points do not find it.
pub(crate) fn without_the_point_between_two_statements() -> Report {
    late_undo::by_hand_without_the_point()
}

/// One handler, written by hand and on `hangup`.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// The races of the hand-written handler.
    pub(crate) races: &'static [Race],
    pub(crate) by_hand: fn() -> Report,
    pub(crate) on_hangup: fn() -> Report,
}

pub(crate) const ROWS: [Row; 16] = [
    Row {
        what: "cleanup subscribed after the set-up",
        races: &[Race::R1],
        by_hand: late_cleanup::by_hand,
        on_hangup: late_cleanup::on_hangup,
    },
    Row {
        what: "add and backlog before the abort is wired",
        races: &[Race::R2],
        by_hand: add_before_wiring::by_hand,
        on_hangup: add_before_wiring::on_hangup,
    },
    Row {
        what: "heartbeat without a signal",
        races: &[Race::R3],
        by_hand: heartbeat::by_hand,
        on_hangup: heartbeat::on_hangup,
    },
    Row {
        what: "heartbeat bound before its timer exists",
        races: &[Race::R4],
        by_hand: early_heartbeat::by_hand,
        on_hangup: early_heartbeat::on_hangup,
    },
    Row {
        what: "worker route, repaired",
        races: &[Race::R6, Race::R9],
        by_hand: worker_route::by_hand,
        on_hangup: worker_route::on_hangup,
    },
    Row {
        what: "removal by key",
        races: &[Race::R8],
        by_hand: remove_by_key::by_hand,
        on_hangup: remove_by_key::on_hangup,
    },
    Row {
        what: "`Drop` that spawns the removal",
        races: &[Race::R13],
        by_hand: spawning_drop::by_hand,
        on_hangup: spawning_drop::on_hangup,
    },
    Row {
        what: "cap checked, added after an await",
        races: &[Race::R20],
        by_hand: cap::by_hand,
        on_hangup: cap::on_hangup,
    },
    Row {
        what: "replay, then subscribe: a gap",
        races: &[Race::R11],
        by_hand: replay::by_hand_with_a_gap,
        on_hangup: replay::on_hangup,
    },
    Row {
        what: "subscribe, then replay: duplicates",
        races: &[Race::R11],
        by_hand: replay::by_hand_with_duplicates,
        on_hangup: replay::on_hangup,
    },
    Row {
        what: "guard created inside the body",
        races: &[Race::R2],
        by_hand: body_guard::by_hand,
        on_hangup: body_guard::on_hangup,
    },
    Row {
        what: "permit released at the response head",
        races: &[Race::R25],
        by_hand: permit::by_hand,
        on_hangup: permit::on_hangup,
    },
    Row {
        what: "two indexes, removed one after the other",
        races: &[Race::R21],
        by_hand: two_indexes::by_hand,
        on_hangup: two_indexes::on_hangup,
    },
    Row {
        what: "undo registered a statement too late",
        races: &[Race::R26],
        by_hand: late_undo::by_hand,
        on_hangup: late_undo::on_hangup,
    },
    Row {
        what: "pings started after the backlog is written",
        races: &[Race::R1],
        by_hand: backlog_ping::by_hand,
        on_hangup: backlog_ping::on_hangup,
    },
    Row {
        what: "keep-open loop of a superseded connection",
        races: &[Race::R22],
        by_hand: superseded_loop::by_hand,
        on_hangup: superseded_loop::on_hangup,
    },
];

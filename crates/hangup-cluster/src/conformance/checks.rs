//! The list of the checks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::away::every_call_is_bounded_while_the_engine_is_away;
use super::bench::Bench;
use super::claims::{
    a_write_is_seen_by_all_at_once, another_revision_is_a_conflict, contention_loses_no_write,
    expected_none_on_a_record_is_a_conflict, expected_without_a_record_is_a_conflict,
    one_of_two_writes_an_absent_record, revisions_ascend_over_all_records,
};
use super::contents::{
    a_name_that_is_too_large_is_told, a_value_that_is_too_large_is_told, names_are_kept_apart,
    values_are_kept,
};
use super::forget::{
    cursors_of_another_life_are_gaps, hints_work_again_when_all_is_forgotten,
    revisions_ascend_when_all_is_forgotten, what_is_forgotten_is_told_until_it_is_adopted,
};
use super::gaps::{
    a_number_of_the_future_is_a_gap, another_incarnation_is_a_gap, what_is_not_kept_is_a_gap,
};
use super::hints::{
    a_listener_that_has_answered_hears, every_listener_of_an_inbox_hears,
    hints_are_kept_as_they_are, hints_arrive_once_and_in_order, hints_of_before_are_not_heard,
    inboxes_are_kept_apart,
};
use super::log::{
    an_id_is_published_once, items_are_kept_as_they_are, items_are_read_in_their_order,
    no_item_is_lost_at_the_seam, reading_begins_behind_any_cursor, the_ends_of_a_topic_are_told,
    topics_are_kept_apart, two_readers_read_the_same,
};
use super::outcome::{Checked, Outcome};
use super::restart::{
    a_listener_hears_again_after_a_restart, a_reader_misses_nothing_over_a_restart,
    a_time_to_live_outlives_a_restart, a_write_is_there_or_not_after_a_restart,
    cursors_outlive_a_restart, records_outlive_a_restart,
};
use super::subject::Subject;
use super::ttl::{
    a_record_goes_in_time, a_record_that_is_made_again_goes_again,
    a_record_that_stays_may_get_a_time_to_live, a_renewal_counts_from_its_write,
    a_renewal_may_be_shorter, a_write_without_a_time_to_live_stays,
    the_revision_of_a_record_that_has_gone_is_a_conflict,
};

type Running<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

/// A check of an engine.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Bench<'a>) -> Running<'a>,
}

impl Check {
    /// What is checked, as the name of a test.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks an engine.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, the check ends, and what it has written stays.
    pub async fn run(&self, subject: &dyn Subject) -> Outcome {
        let bench = Bench::new(subject);
        (self.run)(&bench).await.into()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// Passes the names of all checks to a macro, which makes a test of each.
///
/// # Examples
///
/// ```
/// use hangup_cluster::conformance::{Subject, passes};
///
/// # fn engine() -> Box<dyn Subject> { unreachable!() }
/// macro_rules! tests {
///     ($($name:ident)*) => {
///         $(
///             #[tokio::test]
///             async fn $name() {
///                 passes(stringify!($name), &*engine()).await;
///             }
///         )*
///     };
/// }
///
/// hangup_cluster::conformance_checks!(tests);
/// ```
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
macro_rules! conformance_checks {
    ($tests:ident) => {
        $tests! {
            contention_loses_no_write
            expected_none_on_a_record_is_a_conflict
            expected_without_a_record_is_a_conflict
            another_revision_is_a_conflict
            revisions_ascend_over_all_records
            a_write_is_seen_by_all_at_once
            one_of_two_writes_an_absent_record
            names_are_kept_apart
            values_are_kept
            a_name_that_is_too_large_is_told
            a_value_that_is_too_large_is_told
            a_record_goes_in_time
            a_renewal_counts_from_its_write
            a_renewal_may_be_shorter
            a_record_that_is_made_again_goes_again
            a_write_without_a_time_to_live_stays
            a_record_that_stays_may_get_a_time_to_live
            the_revision_of_a_record_that_has_gone_is_a_conflict
            hints_arrive_once_and_in_order
            a_listener_that_has_answered_hears
            hints_of_before_are_not_heard
            inboxes_are_kept_apart
            every_listener_of_an_inbox_hears
            hints_are_kept_as_they_are
            items_are_read_in_their_order
            reading_begins_behind_any_cursor
            the_ends_of_a_topic_are_told
            no_item_is_lost_at_the_seam
            two_readers_read_the_same
            topics_are_kept_apart
            items_are_kept_as_they_are
            an_id_is_published_once
            a_number_of_the_future_is_a_gap
            another_incarnation_is_a_gap
            what_is_not_kept_is_a_gap
            every_call_is_bounded_while_the_engine_is_away
            records_outlive_a_restart
            a_time_to_live_outlives_a_restart
            a_write_is_there_or_not_after_a_restart
            cursors_outlive_a_restart
            a_reader_misses_nothing_over_a_restart
            a_listener_hears_again_after_a_restart
            what_is_forgotten_is_told_until_it_is_adopted
            revisions_ascend_when_all_is_forgotten
            cursors_of_another_life_are_gaps
            hints_work_again_when_all_is_forgotten
        }
    };
}

/// All checks, in the order in which [`run`](super::run) runs them.
#[must_use]
pub fn checks() -> &'static [Check] {
    CHECKS
}

macro_rules! table {
    ($($name:ident)*) => {
        const CHECKS: &[Check] = &[$(
            Check {
                name: stringify!($name),
                run: |bench| Box::pin($name(bench)),
            },
        )*];
    };
}

conformance_checks!(table);

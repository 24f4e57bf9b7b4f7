//! Rules that an engine may break.

/// One rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    // Compare-and-swap.
    NoneOverwrites,
    SomeMakes,
    ExpectedIgnored,
    ComparesThenSwaps,
    ConflictsAreWritten,
    RevisionsOfEachRecord,
    LoadsAreStale,
    // Names and values.
    NamesInLowerCase,
    NamesWithoutDots,
    NamesCut,
    ValuesAsText,
    EmptyIsAbsent,
    TooLargeIsUnknown,
    TooLargeIsCut,
    // Times to live.
    TtlIgnored,
    TtlHalved,
    TtlDoubled,
    TtlNotRenewed,
    TtlNeverShorter,
    TtlOfFirstMakeOnly,
    TtlKeptByWriteWithout,
    TtlKeptByMakeWithout,
    TtlNotAdded,
    RevisionOutlivesRecord,
    // Hints.
    HintsLost,
    HintsTwice,
    HintsReordered,
    HintsAsText,
    HintsReplayed,
    ListensLate,
    ListenersSleep,
    OneListener,
    InboxesInLowerCase,
    HintsToPrefixes,
    // The log.
    SeamLost,
    SeamTwice,
    CursorsOfPublishDiffer,
    EndBeforeLast,
    EndOfAllTopics,
    StartOfAll,
    GapsUntold,
    IncarnationIgnored,
    FutureIsEnd,
    ReadsWithCursor,
    ReadsWithoutNext,
    OneReader,
    ReadersSleep,
    TopicsInLowerCase,
    ItemsAsText,
    IdsForgotten,
    IdsInLowerCase,
    // An engine that is away.
    AwayIsPending,
    AwayIsAbsent,
    AwayIsForgotten,
    // The restart.
    RestartForgets,
    RestartLiftsTtls,
    RestartKillsStreams,
    RestartIsAConflict,
    RestartIsAnIncarnation,
    // The end of a life.
    ForgetUntold,
    ForgottenIsDone,
    AdoptedForAll,
    RevisionsBeginAnew,
    IncarnationIsFixed,
    HintsEndWithALife,
}

use Flaw as F;

/// The checks that each of them fails, at least.
pub(super) const FLAWS: &[(Flaw, &[&str])] = &[
    (
        F::NoneOverwrites,
        &[
            "expected_none_on_a_record_is_a_conflict",
            "one_of_two_writes_an_absent_record",
        ],
    ),
    (
        F::SomeMakes,
        &[
            "expected_without_a_record_is_a_conflict",
            "the_revision_of_a_record_that_has_gone_is_a_conflict",
        ],
    ),
    (
        F::ExpectedIgnored,
        &[
            "another_revision_is_a_conflict",
            "contention_loses_no_write",
            "expected_none_on_a_record_is_a_conflict",
            "one_of_two_writes_an_absent_record",
        ],
    ),
    (
        F::ComparesThenSwaps,
        &[
            "contention_loses_no_write",
            "one_of_two_writes_an_absent_record",
        ],
    ),
    (
        F::ConflictsAreWritten,
        &[
            "another_revision_is_a_conflict",
            "expected_none_on_a_record_is_a_conflict",
            "expected_without_a_record_is_a_conflict",
            "contention_loses_no_write",
        ],
    ),
    (
        F::RevisionsOfEachRecord,
        &["revisions_ascend_over_all_records"],
    ),
    (F::LoadsAreStale, &["a_write_is_seen_by_all_at_once"]),
    (F::NamesInLowerCase, &["names_are_kept_apart"]),
    (F::NamesWithoutDots, &["names_are_kept_apart"]),
    (F::NamesCut, &["names_are_kept_apart"]),
    (F::ValuesAsText, &["values_are_kept"]),
    (F::EmptyIsAbsent, &["values_are_kept"]),
    (
        F::TooLargeIsUnknown,
        &[
            "a_name_that_is_too_large_is_told",
            "a_value_that_is_too_large_is_told",
        ],
    ),
    (
        F::TooLargeIsCut,
        &[
            "a_name_that_is_too_large_is_told",
            "a_value_that_is_too_large_is_told",
        ],
    ),
    (
        F::TtlIgnored,
        &[
            "a_record_goes_in_time",
            "a_renewal_counts_from_its_write",
            "a_time_to_live_outlives_a_restart",
            "one_of_two_writes_an_absent_record",
        ],
    ),
    (
        F::TtlHalved,
        &["a_record_goes_in_time", "a_renewal_may_be_shorter"],
    ),
    (
        F::TtlDoubled,
        &["a_record_goes_in_time", "a_renewal_may_be_shorter"],
    ),
    (F::TtlNotRenewed, &["a_renewal_counts_from_its_write"]),
    (F::TtlNeverShorter, &["a_renewal_may_be_shorter"]),
    (
        F::TtlOfFirstMakeOnly,
        &["a_record_that_is_made_again_goes_again"],
    ),
    (
        F::TtlKeptByWriteWithout,
        &["a_write_without_a_time_to_live_stays"],
    ),
    (
        F::TtlKeptByMakeWithout,
        &["a_write_without_a_time_to_live_stays"],
    ),
    (
        F::TtlNotAdded,
        &["a_record_that_stays_may_get_a_time_to_live"],
    ),
    (
        F::RevisionOutlivesRecord,
        &["the_revision_of_a_record_that_has_gone_is_a_conflict"],
    ),
    (F::HintsLost, &["hints_arrive_once_and_in_order"]),
    (
        F::HintsTwice,
        &["hints_arrive_once_and_in_order", "inboxes_are_kept_apart"],
    ),
    (F::HintsReordered, &["hints_arrive_once_and_in_order"]),
    (F::HintsAsText, &["hints_are_kept_as_they_are"]),
    (F::HintsReplayed, &["hints_of_before_are_not_heard"]),
    (F::ListensLate, &["a_listener_that_has_answered_hears"]),
    (F::ListenersSleep, &["hints_arrive_once_and_in_order"]),
    (F::OneListener, &["every_listener_of_an_inbox_hears"]),
    (F::InboxesInLowerCase, &["inboxes_are_kept_apart"]),
    (F::HintsToPrefixes, &["inboxes_are_kept_apart"]),
    (F::SeamLost, &["no_item_is_lost_at_the_seam"]),
    (F::SeamTwice, &["no_item_is_lost_at_the_seam"]),
    (
        F::CursorsOfPublishDiffer,
        &[
            "items_are_read_in_their_order",
            "the_ends_of_a_topic_are_told",
        ],
    ),
    (F::EndBeforeLast, &["the_ends_of_a_topic_are_told"]),
    (F::EndOfAllTopics, &["the_ends_of_a_topic_are_told"]),
    (F::StartOfAll, &["what_is_not_kept_is_a_gap"]),
    (
        F::GapsUntold,
        &[
            "a_number_of_the_future_is_a_gap",
            "another_incarnation_is_a_gap",
            "what_is_not_kept_is_a_gap",
            "cursors_of_another_life_are_gaps",
        ],
    ),
    (
        F::IncarnationIgnored,
        &[
            "another_incarnation_is_a_gap",
            "cursors_of_another_life_are_gaps",
        ],
    ),
    (F::FutureIsEnd, &["a_number_of_the_future_is_a_gap"]),
    (
        F::ReadsWithCursor,
        &[
            "reading_begins_behind_any_cursor",
            "cursors_outlive_a_restart",
        ],
    ),
    (
        F::ReadsWithoutNext,
        &[
            "reading_begins_behind_any_cursor",
            "cursors_outlive_a_restart",
        ],
    ),
    (F::ReadersSleep, &["no_item_is_lost_at_the_seam"]),
    (F::OneReader, &["two_readers_read_the_same"]),
    (F::TopicsInLowerCase, &["topics_are_kept_apart"]),
    (F::ItemsAsText, &["items_are_kept_as_they_are"]),
    (F::IdsForgotten, &["an_id_is_published_once"]),
    (F::IdsInLowerCase, &["an_id_is_published_once"]),
    (
        F::AwayIsPending,
        &["every_call_is_bounded_while_the_engine_is_away"],
    ),
    (
        F::AwayIsAbsent,
        &["every_call_is_bounded_while_the_engine_is_away"],
    ),
    (
        F::AwayIsForgotten,
        &["every_call_is_bounded_while_the_engine_is_away"],
    ),
    (
        F::RestartForgets,
        &[
            "records_outlive_a_restart",
            "cursors_outlive_a_restart",
            "a_time_to_live_outlives_a_restart",
            "a_reader_misses_nothing_over_a_restart",
            "a_write_is_there_or_not_after_a_restart",
        ],
    ),
    (F::RestartLiftsTtls, &["a_time_to_live_outlives_a_restart"]),
    (
        F::RestartKillsStreams,
        &[
            "a_reader_misses_nothing_over_a_restart",
            "a_listener_hears_again_after_a_restart",
        ],
    ),
    (
        F::RestartIsAConflict,
        &["a_write_is_there_or_not_after_a_restart"],
    ),
    (F::RestartIsAnIncarnation, &["cursors_outlive_a_restart"]),
    (
        F::ForgetUntold,
        &[
            "what_is_forgotten_is_told_until_it_is_adopted",
            "cursors_of_another_life_are_gaps",
        ],
    ),
    (
        F::ForgottenIsDone,
        &["what_is_forgotten_is_told_until_it_is_adopted"],
    ),
    (
        F::AdoptedForAll,
        &["what_is_forgotten_is_told_until_it_is_adopted"],
    ),
    (
        F::RevisionsBeginAnew,
        &["revisions_ascend_when_all_is_forgotten"],
    ),
    (F::IncarnationIsFixed, &["cursors_of_another_life_are_gaps"]),
    (
        F::HintsEndWithALife,
        &["hints_work_again_when_all_is_forgotten"],
    ),
];

//! A ledger works without the exploration.

use hangup_test::{Fault, Kind, Ledger, Party};

fn texts(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn held_things_are_left_and_released_things_are_not() {
    let ledger = Ledger::new();
    ledger.acquire("file");
    ledger.acquire("file");
    ledger.release("file");
    let permit = ledger.permit("permit");
    let timer = ledger.timer("heartbeat");
    let listener = ledger.listener("shutdown");
    ledger.show("workers");
    ledger.switch_on("router");
    let expected = [
        "`file` is left",
        "timer `heartbeat` is left running",
        "`permit` is left",
        "`router` is left on",
        "a listener is left on `shutdown`",
        "the entry in `workers` is left",
    ];
    assert_eq!(texts(&ledger.left()), expected);

    ledger.release("file");
    drop((permit, timer, listener));
    ledger.hide("workers");
    ledger.switch_off("router");
    assert_eq!(texts(&ledger.left()), [""; 0]);
    assert_eq!(texts(&ledger.faults()), [""; 0]);
}

#[test]
fn a_guard_releases_its_own_holding() {
    let ledger = Ledger::new();
    let first = ledger.acting(Party::First, || ledger.hold("file"));
    let newcomer = ledger.acting(Party::Newcomer, || ledger.hold("file"));
    drop(newcomer);
    assert_eq!(texts(&ledger.left()), ["`file` is left by the connection"]);
    drop(first);
    assert_eq!(texts(&ledger.left()), [""; 0]);
}

#[test]
fn a_double_release_is_a_fault_and_a_second_removal_is_not() {
    let ledger = Ledger::new();
    ledger.acquire("file");
    ledger.release("file");
    ledger.acting(Party::First, || ledger.release("file"));
    ledger.show("workers");
    ledger.hide("workers");
    ledger.hide("workers");
    ledger.switch_off("router");
    let expected = ["`file` is released for the connection while none is held"];
    assert_eq!(texts(&ledger.faults()), expected);
    // The count continues from zero.
    ledger.acquire("file");
    assert_eq!(ledger.left().len(), 1);
}

#[test]
fn acquisitions_after_the_end_are_marked() {
    let ledger = Ledger::new();
    ledger.acting(Party::First, || {
        ledger.acquire("before");
        ledger.ended(Party::First);
        ledger.acquire("after");
    });
    let expected = [
        "`after` is left, acquired for the connection after its end",
        "`before` is left by the connection",
    ];
    assert_eq!(texts(&ledger.left()), expected);
}

#[test]
fn acquiring_after_the_undo_is_a_fault() {
    let ledger = Ledger::new();
    ledger.acting(Party::First, || {
        ledger.switch_on("router");
        ledger.ended(Party::First);
        ledger.switch_on("router");
        assert_eq!(texts(&ledger.faults()), [""; 0]);
        ledger.switch_off("router");
        ledger.switch_on("router");
    });
    let expected = ["`router` is acquired after its undo for the connection, which has ended"];
    assert_eq!(texts(&ledger.faults()), expected);
}

#[test]
fn only_an_open_connection_may_release_what_its_successor_holds() {
    for (ended, faults) in [(false, 0), (true, 1)] {
        let ledger = Ledger::new();
        ledger.acting(Party::Newcomer, || ledger.show("workers"));
        if ended {
            ledger.ended(Party::First);
        }
        ledger.acting(Party::First, || ledger.hide("workers"));
        assert_eq!(ledger.faults().len(), faults, "{:?}", ledger.faults());
    }
    let ledger = Ledger::new();
    ledger.acting(Party::First, || ledger.show("workers"));
    ledger.ended(Party::Newcomer);
    ledger.acting(Party::Newcomer, || ledger.hide("workers"));
    assert_eq!(texts(&ledger.faults()), [""; 0]);
}

#[test]
fn a_taken_thing_has_its_kind() {
    let ledger = Ledger::new();
    ledger.acting(Party::Newcomer, || ledger.switch_on("router"));
    ledger.ended(Party::First);
    ledger.acting(Party::First, || ledger.switch_off("router"));
    let faults = ledger.faults();
    let [Fault::Taken { kind, .. }] = &faults[..] else {
        panic!("{faults:?}");
    };
    assert_eq!(*kind, Kind::Switch);
    let expected = ["the undo of the connection releases `router`, which the newcomer holds"];
    assert_eq!(texts(&faults), expected);
}

#[test]
fn a_cap_is_exact() {
    let ledger = Ledger::new();
    ledger.at_most(2, "streams");
    let two = [ledger.hold("streams"), ledger.hold("streams")];
    assert_eq!(texts(&ledger.faults()), [""; 0]);
    let three = ledger.hold("streams");
    let expected = ["3 of `streams` are held, and the cap is 2"];
    assert_eq!(texts(&ledger.faults()), expected);
    drop((two, three));
}

#[test]
fn the_acting_party_is_restored_after_a_panic() {
    let ledger = Ledger::new();
    let acting = || ledger.acting(Party::First, || panic!("in the act"));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(acting));
    assert!(unwound.is_err());
    ledger.acquire("file");
    assert_eq!(texts(&ledger.left()), ["`file` is left"]);
}

#[test]
fn the_first_specific_kind_of_a_thing_counts() {
    let ledger = Ledger::new();
    ledger.at_most(1, "workers");
    ledger.show("workers");
    ledger.at_most(2, "workers");
    assert_eq!(texts(&ledger.left()), ["the entry in `workers` is left"]);
}

#[test]
fn a_ledger_implements_debug() {
    let ledger = Ledger::new();
    let held = ledger.hold("file");
    let text = format!("{ledger:?} {held:?}");
    assert_eq!(
        text,
        r#"Ledger { levels: {"file": 1}, faults: [], .. } Held("file")"#
    );
    drop(held);
    assert_eq!(
        format!("{ledger:?}"),
        "Ledger { levels: {}, faults: [], .. }"
    );
}

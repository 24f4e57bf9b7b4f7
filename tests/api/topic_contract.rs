//! What the documentation of topics says, beside a reference that was written from it alone: any
//! sequence of calls, with clients that come back after the last id that they saw.

mod debt;
mod ledger;
mod reader;
mod source;
mod world;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::Config;

use ledger::Limits;
use source::Script;
use world::{Anew, Op, Setup, Start, World};

fn limits() -> impl Strategy<Value = Limits> {
    let items = prop_oneof![
        2 => Just(0_usize),
        2 => Just(1),
        4 => 2_usize..5,
        1 => Just(40),
    ];
    let bytes = option::weighted(0.2, 1_usize..8);
    let age = option::weighted(0.3, 1_u64..4);
    (items, bytes, age).prop_map(|(items, bytes, age)| Limits { items, bytes, age })
}

fn setup() -> impl Strategy<Value = Setup> {
    let fed = option::of(0_u64..6);
    (vec(limits(), 1..4), fed, any::<bool>()).prop_map(|(lanes, fed, has_source)| Setup {
        lanes,
        fed,
        has_source,
    })
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        2 => Just(Start::Now),
        4 => Just(Start::All),
        4 => (0_u64..14).prop_map(Start::Back),
        1 => (1_u64..5).prop_map(Start::Ahead),
        1 => (0_u64..14).prop_map(Start::OtherIncarnation),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let steps = 0_usize..6;
    prop_oneof![
        4 => Just(Script::Whole),
        1 => Just(Script::OnlyLost),
        2 => steps.clone().prop_map(Script::FailsAfter),
        1 => Just(Script::FailsAtTheEnd),
        1 => steps.prop_map(Script::EndsAfter),
        1 => Just(Script::Doubles),
        1 => Just(Script::OutOfOrder),
        1 => Just(Script::Beyond),
    ]
}

fn anew() -> impl Strategy<Value = Anew> {
    prop_oneof![
        3 => Just(Anew::Here),
        2 => Just(Anew::Next),
        1 => Just(Anew::First),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let reader = || 0_usize..4;
    prop_oneof![
        10 => (0_usize..4, 0_usize..5, prop_oneof![8 => 1_usize..4, 1 => Just(20)])
            .prop_map(|(lane, size, count)| Op::Publish { lane, size, count }),
        4 => (0_usize..4, 0_usize..5, 0_u64..4, prop::bool::weighted(0.1)).prop_map(
            |(lane, size, ahead, is_foreign)| Op::Append { lane, size, ahead, is_foreign }
        ),
        1 => (0_u64..5, anew()).prop_map(|(ahead, anew)| Op::Reset { ahead, anew }),
        2 => (0_u64..3).prop_map(|ticks| Op::Expire { ticks }),
        5 => (reader(), start(), option::weighted(0.25, 0_u64..10), any::<[bool; 3]>()).prop_map(
            |(reader, start, since, [a, b, c])| Op::Subscribe {
                reader,
                start,
                since,
                closes_on_gap: a && b,
                maps_gaps: b && c,
                has_connection: c,
            }
        ),
        12 => (reader(), 1_usize..4).prop_map(|(reader, times)| Op::Poll { reader, times }),
        4 => (reader(), prop::bool::weighted(0.3))
            .prop_map(|(reader, by_place)| Op::ComeBack { reader, by_place }),
        1 => reader().prop_map(|reader| Op::Drop { reader }),
        3 => (script(), prop::bool::weighted(0.4))
            .prop_map(|(script, waits)| Op::Source { script, waits }),
        1 => prop::bool::weighted(0.2).prop_map(|is_sure| Op::Close { is_sure }),
    ]
}

/// `HANGUP_LONG=1` tries many: five seconds in a release build.
fn cases() -> u32 {
    let is_long = std::env::var_os("HANGUP_LONG").is_some_and(|value| value == "1");
    if is_long { 100_000 } else { 300 }
}

#[test]
fn a_reader_gets_what_the_documentation_says() {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases())
    };
    proptest!(config, |(setup in setup(), ops in vec(op(), 1..40), is_dropped in any::<bool>())| {
        let mut world = World::new(setup);
        for op in ops {
            world.act(op);
        }
        world.finish(is_dropped);
    });
}

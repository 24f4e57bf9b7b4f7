//! Arbitrary events, written and split in arbitrary ways, as a parser sees them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use sse_stream::{Sse, SseByteStream};
use tokio_stream::StreamExt;

use crate::script::Script;

/// `PROPTEST_CASES` asks for more.
const CASES: u32 = 3_000;

/// A stream, and the events that a client has to get.
#[derive(Debug, Clone)]
struct Stream {
    bytes: Vec<u8>,
    events: Vec<Sse>,
}

/// A line, which has not ended. An empty one ends an event.
type Line = String;

#[test]
fn r18_clients_get_the_events_that_were_sent() {
    let mut runner = TestRunner::new(Config {
        cases: CASES.max(Config::default().cases),
        failure_persistence: None,
        ..Config::default()
    });
    let cases = (streams(), vec((any::<Index>(), 0..3_u32), 0..12), 0..3_u32);
    let result = runner.run(&cases, |(stream, cuts, quiet_at_end)| {
        let script = split(&stream.bytes, &cuts, quiet_at_end);
        prop_assert_eq!(script.input(), &*stream.bytes);
        // The parser knows what was written.
        prop_assert_eq!(parse(&[&stream.bytes])?, &*stream.events);

        let received = script.play();
        let whole: [&[u8]; 1] = [&received.bytes];
        let bytes: Vec<_> = received.bytes.chunks(1).collect();
        prop_assert_eq!(parse(&whole)?, &*stream.events, "{:?}", script);
        prop_assert_eq!(parse(&bytes)?, &*stream.events, "{:?}", script);
        let before_the_first = script.chunks.first().map_or(quiet_at_end, |chunk| chunk.0);
        prop_assert!(received.heartbeats >= before_the_first as usize);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn parse(chunks: &[&[u8]]) -> Result<Vec<Sse>, TestCaseError> {
    let chunks = chunks.iter().map(|chunk| Ok::<_, std::io::Error>(*chunk));
    let events = SseByteStream::new(tokio_stream::iter(chunks)).collect::<Result<_, _>>();
    tokio_test::block_on(events).map_err(|error| TestCaseError::fail(format!("{error:?}")))
}

fn split(bytes: &[u8], cuts: &[(Index, u32)], quiet_at_end: u32) -> Script {
    let place = |(at, quiet): &(Index, u32)| (at.index(bytes.len() + 1), *quiet);
    let mut cuts: Vec<_> = cuts.iter().map(place).collect();
    cuts.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    let mut quiet_before = 0;
    for (at, quiet) in cuts {
        // Two at the same place: an empty chunk.
        chunks.push((quiet_before, bytes[from..at].to_vec()));
        (from, quiet_before) = (at, quiet);
    }
    chunks.push((quiet_before, bytes[from..].to_vec()));
    Script {
        chunks,
        quiet_at_end,
    }
}

fn streams() -> impl Strategy<Value = Stream> {
    let one_ending = select(&["\n", "\r", "\r\n"]).prop_map(|ending| vec![ending]);
    let mixed = vec(select(&["\n", "\r", "\r\n"]), 1..40);
    (
        any::<bool>(),
        vec(event(), 0..6),
        option::of(event()),
        prop_oneof![one_ending, mixed],
    )
        .prop_map(|(mark, events, unfinished, endings)| {
            let mut lines = Vec::new();
            for (event, _) in &events {
                lines.extend(event.iter().cloned());
                lines.push(String::new());
            }
            let (unfinished, _) = unfinished.unwrap_or_default();
            // A blank line would finish it.
            lines.extend(unfinished.into_iter().filter(|line| !line.is_empty()));

            let mark = if mark { "\u{feff}" } else { "" };
            let is_event = |event: &Sse| *event != Sse::default();
            Stream {
                bytes: write(mark.to_owned(), &lines, &endings).into_bytes(),
                events: events
                    .into_iter()
                    .map(|(_, e)| e)
                    .filter(is_event)
                    .collect(),
            }
        })
}

/// The endings take turns.
fn write(mark: String, lines: &[Line], endings: &[&str]) -> String {
    let mut out = mark;
    for (line, ending) in lines.iter().zip(endings.iter().cycle()) {
        out.push_str(line);
        // It would belong to the CR, and end no line.
        let swallowed = line.is_empty() && *ending == "\n" && out.ends_with('\r');
        out.push_str(if swallowed { "\r\n" } else { ending });
    }
    out
}

/// Lines, and what they say. The blank line that ends them is not one of them; those
/// that lead them are.
fn event() -> impl Strategy<Value = (Vec<Line>, Sse)> {
    let blanks = vec(Just(String::new()), 0..2);
    let fields = (
        option::of(value()),
        option::of(value()),
        option::of(0..100_000_u64),
        vec(value(), 0..4),
    );
    let others = vec(other(), 0..3);
    (blanks, fields, others, vec(any::<Index>(), 10)).prop_map(
        |(mut lines, (event, id, retry, data), others, places)| {
            let field = |name: &str, value: &str| match value {
                // The colon may be left out, and the space if there is not another.
                "" => name.to_owned(),
                _ if value.len() % 2 == 0 && !value.starts_with(' ') => format!("{name}:{value}"),
                _ => format!("{name}: {value}"),
            };
            let blanks = lines.len();
            // In this order, since that of the data counts; the others come in between.
            lines.extend(data.iter().map(|data| field("data", data)));
            let singles = [
                event.as_deref().map(|event| field("event", event)),
                id.as_deref().map(|id| field("id", id)),
                retry.map(|retry| field("retry", &retry.to_string())),
            ];
            for (line, place) in singles.into_iter().flatten().chain(others).zip(places) {
                let place = blanks + place.index(lines.len() - blanks + 1);
                lines.insert(place, line);
            }
            let data = (!data.is_empty()).then(|| data.join("\n"));
            let sse = Sse {
                event,
                data,
                id,
                retry,
            };
            (lines, sse)
        },
    )
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        Just(":".to_owned()),
        "[a-z :]{1,8}",
        "[^\r\n\0]{1,8}",
        // The line endings of others than SSE, and marks.
        subsequence(
            &['\u{feff}', '\u{2028}', '\u{85}', '\x0B', '\u{1f980}'],
            1..4
        )
        .prop_map(|some| some.into_iter().collect()),
    ]
}

/// Comments, and fields that say nothing. Some begin like a byte order mark.
fn other() -> impl Strategy<Value = Line> {
    prop_oneof![
        value().prop_map(|comment| format!(":{comment}")),
        select(&[
            "x",
            "dat: a",
            "Data: a",
            "retry: soon",
            "\u{fee0}: a",
            "\u{ff01}"
        ])
        .prop_map(str::to_owned),
    ]
}

//! A few streams, split at every position, and quiet there.

use crate::oracle;
use crate::script::Script;

const STREAMS: &[&str] = &[
    "",
    "data: a\n\ndata: b\n\n",
    "data: a\r\rdata: b\r\r",
    "data: a\r\n\r\ndata: b\r\n\r\n",
    "data: a\n\r\n\rdata: b\r\r\n\n",
    "\r\n\r\n\r\n: c\r\n\r\n\rdata\r\n\n",
    "id: 1\r\nevent: e\rdata: 🦀\ndata: é\r\n\r\n:\n\nretry: 5\r\r",
    "\u{feff}data: a\n\ndata: b\n\n",
    "\u{feff}\r\n\r\n",
    "\u{feff}",
    "\u{fee0}: a\n\ndata: b",
    "\u{ff01}\n\n",
];

#[test]
fn quiet_at_every_position_alone() {
    for stream in STREAMS {
        for at in 0..=stream.len() {
            let (head, tail) = stream.as_bytes().split_at(at);
            let script = Script {
                chunks: vec![(0, head.to_vec()), (2, tail.to_vec())],
                quiet_at_end: 1,
            };
            let received = script.play();
            let expected = 2 * usize::from(oracle::is_between_events(head))
                + usize::from(oracle::is_between_events(stream.as_bytes()));
            assert_eq!(received.heartbeats, expected, "{stream:?} at {at}");
        }
    }
}

#[test]
fn quiet_at_every_two_positions() {
    for stream in STREAMS {
        let stream = stream.as_bytes();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let script = Script {
                    chunks: vec![
                        (1, stream[..first].to_vec()),
                        (1, stream[first..second].to_vec()),
                        (1, stream[second..].to_vec()),
                    ],
                    quiet_at_end: 1,
                };
                script.play();
            }
        }
    }
}

#[test]
fn quiet_at_every_position_at_once() {
    for stream in STREAMS {
        for size in 1..=4 {
            for quiet_before in [0, 1] {
                let chunks = stream.as_bytes().chunks(size);
                let mut chunks: Vec<_> = chunks.map(|chunk| (1, chunk.to_vec())).collect();
                if let Some(first) = chunks.first_mut() {
                    first.0 = quiet_before;
                }
                let script = Script {
                    chunks,
                    quiet_at_end: 2,
                };
                script.play();
            }
        }
    }
}

#[test]
fn r18_heartbeat_inside_an_event() {
    let script = Script {
        chunks: vec![
            (1, b"data: a\r".to_vec()),
            (3, b"\ndata: b\r\n".to_vec()),
            (3, b"\r".to_vec()),
            (1, b"\ndata: c\n\n".to_vec()),
        ],
        quiet_at_end: 1,
    };
    assert_eq!(
        String::from_utf8(script.play().bytes).unwrap(),
        ":\n\ndata: a\r\ndata: b\r\n\r:\n\ndata: c\n\n:\n\n"
    );
}

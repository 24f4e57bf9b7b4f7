//! The places in a stream of events where a heartbeat may come, and the bytes after it
//! that must then be left out.

/// The byte order mark. It may lead the stream; anywhere else it is part of the text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Tracks the boundaries of events in the bytes that pass, however they are split.
#[derive(Debug)]
pub(super) struct Boundaries {
    /// The number of bytes of a byte order mark that have passed; `None` after any other
    /// byte.
    mark: Option<usize>,
    /// The number of line endings since the last text, up to the two that end an event.
    endings: u8,
    /// The last byte was a CR, which ends its line: an LF would belong to that ending.
    after_cr: bool,
    /// A heartbeat was sent after the last byte.
    parted: bool,
}

/// What is sent to the client for some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passage {
    /// Sent before them: bytes that looked like a byte order mark, were left out, and turned
    /// out to be text.
    pub(super) before: &'static [u8],
    /// How many of the bytes, from the first one, are left out.
    pub(super) left_out: usize,
}

impl Boundaries {
    pub(super) const fn new() -> Self {
        Self {
            mark: Some(0),
            // The stream begins as after an event.
            endings: 2,
            after_cr: false,
            parted: false,
        }
    }

    /// Whether a heartbeat may be sent now.
    pub(super) fn is_between_events(&self) -> bool {
        // A partial mark that is left out does not stand between two bytes of the output.
        let in_mark = !self.parted && matches!(self.mark, Some(1..));
        self.endings == 2 && !in_mark
    }

    /// A heartbeat is sent now.
    ///
    /// After it, an LF that belongs to a CR before it would be a line of its own, and a byte
    /// order mark at the start would be part of the first line. So both are left out.
    pub(super) fn part(&mut self) {
        debug_assert!(self.is_between_events(), "a heartbeat inside an event");
        self.parted = true;
    }

    /// Passes `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Passage {
        let mut passage = Passage::default();
        let mut rest = bytes;
        if let Some(seen) = self.mark {
            let same = |(mark, byte): &(&u8, &u8)| mark == byte;
            let more = MARK[seen..].iter().zip(bytes).take_while(same).count();
            let whole = seen + more == MARK.len();
            if self.parted && (whole || more == bytes.len()) {
                passage.left_out = more;
            }
            if !whole && more == bytes.len() {
                self.mark = Some(seen + more);
                return passage;
            }
            self.mark = None;
            if whole {
                rest = &bytes[more..];
            } else if seen > 0 {
                // The bytes before were text.
                self.endings = 0;
                if self.parted {
                    passage.before = &MARK[..seen];
                }
            }
        }
        if let Some(first) = rest.first() {
            if self.parted && self.after_cr && *first == b'\n' {
                passage.left_out = 1;
            }
            self.parted = false;
        }
        self.read(rest);
        passage
    }

    fn read(&mut self, bytes: &[u8]) {
        // Only what follows the last text decides.
        let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let endings = match bytes.iter().rposition(is_text) {
            Some(text) => {
                self.endings = 0;
                self.after_cr = false;
                &bytes[text + 1..]
            }
            None => bytes,
        };
        for byte in endings {
            if !(self.after_cr && *byte == b'\n') {
                self.endings = 2.min(self.endings + 1);
            }
            self.after_cr = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Boundaries, MARK};

    const HEARTBEAT: &[u8] = b":\n\n";

    /// What a client would see of the stream: its lines without their endings, the last
    /// of which has not ended.
    fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
        let stream = stream.strip_prefix(MARK).unwrap_or(stream);
        let mut lines = vec![Vec::new()];
        let mut bytes = stream.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\r' | b'\n' => {
                    if byte == b'\r' {
                        bytes.next_if_eq(&b'\n');
                    }
                    lines.push(Vec::new());
                }
                text => lines.last_mut().unwrap().push(text),
            }
        }
        lines
    }

    fn is_between_events(stream: &[u8]) -> bool {
        match lines(stream).as_slice() {
            [only] => only.is_empty(),
            [.., before, last] => before.is_empty() && last.is_empty(),
            [] => unreachable!("there is one at least"),
        }
    }

    /// The events, each with its lines. Comments and blank lines are none, and neither is
    /// a line that has not ended.
    fn events(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut lines = lines(stream);
        lines.pop();
        lines.retain(|line| !line.starts_with(b":"));
        let mut events: Vec<_> = lines.split(Vec::is_empty).map(<[_]>::to_vec).collect();
        events.retain(|event| !event.is_empty());
        events
    }

    /// Reads the chunks, with a heartbeat wherever one may come in between.
    fn with_heartbeats(chunks: &[&[u8]]) -> Vec<u8> {
        let mut boundaries = Boundaries::new();
        let mut out = Vec::new();
        let mut read = Vec::new();
        for chunk in chunks {
            // A mark that is left out until it is whole is not a part of a line.
            let is_out = out.ends_with(HEARTBEAT) && MARK.starts_with(&read);
            let expected = is_out || is_between_events(&read);
            assert_eq!(boundaries.is_between_events(), expected, "{chunks:?}");
            if boundaries.is_between_events() {
                boundaries.part();
                out.extend(HEARTBEAT);
            }
            let passage = boundaries.pass(chunk);
            out.extend(passage.before);
            out.extend(&chunk[passage.left_out..]);
            read.extend(*chunk);
        }
        out
    }

    /// All strings of up to six letters, with what may lead them.
    fn streams() -> Vec<Vec<u8>> {
        let mut all = vec![Vec::new()];
        let mut shorter = all.clone();
        for _ in 0..6 {
            let longer =
                |stream: &Vec<u8>| b"a\r\n:".map(|letter| [stream, &[letter][..]].concat());
            shorter = shorter.iter().flat_map(longer).collect();
            all.extend_from_slice(&shorter);
        }
        let lead = |lead: &[u8]| -> Vec<_> {
            let with_lead = all.iter().map(|stream| [lead, stream].concat());
            with_lead.collect()
        };
        // The mark, its parts alone, and text that begins like it.
        let leads: [&[u8]; 5] = [MARK, b"\xEF", b"\xEF\xBB", "\u{fee0}".as_bytes(), b""];
        leads.map(lead).concat()
    }

    #[test]
    fn heartbeats_change_no_event_however_the_stream_is_split() {
        let streams = streams();
        assert_eq!(streams.len(), 5 * (1 + 4 + 16 + 64 + 256 + 1024 + 4096));
        for stream in streams {
            let expected = events(&stream);
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
                    let out = with_heartbeats(&chunks);
                    assert_eq!(events(&out), expected, "{chunks:?} became {out:?}");
                }
            }
            let bytes: Vec<_> = stream.chunks(1).collect();
            assert_eq!(events(&with_heartbeats(&bytes)), expected, "{stream:?}");
        }
    }

    #[test]
    fn without_heartbeats_nothing_is_left_out() {
        for stream in streams() {
            for at in 0..=stream.len() {
                let mut boundaries = Boundaries::new();
                let (head, tail) = stream.split_at(at);
                for chunk in [head, tail] {
                    assert_eq!(boundaries.pass(chunk), Default::default(), "{stream:?}");
                }
                assert_eq!(boundaries.is_between_events(), is_between_events(&stream));
            }
        }
    }

    #[test]
    fn every_ending_ends_an_event() {
        for ending in ["\n", "\r", "\r\n"] {
            for next in ["\n", "\r", "\r\n"] {
                let stream = format!("data: a{ending}data: b{ending}{next}");
                // An LF belongs to the CR before it.
                let expected = (ending, next) != ("\r", "\n");
                let mut boundaries = Boundaries::new();
                boundaries.pass(stream.as_bytes());
                assert_eq!(boundaries.is_between_events(), expected, "{stream:?}");
            }
        }
    }

    #[test]
    fn only_the_ending_that_a_heartbeat_tore_apart_is_left_out() {
        let mut boundaries = Boundaries::new();
        boundaries.pass(b"data: a\r\r");
        boundaries.part();
        // Nothing came, so it is still to come.
        assert_eq!(boundaries.pass(b"").left_out, 0);
        assert_eq!(boundaries.pass(b"\n\n").left_out, 1);
        assert_eq!(boundaries.pass(b"\n").left_out, 0);

        boundaries.part();
        assert_eq!(boundaries.pass(b"\n").left_out, 0);
    }

    #[test]
    fn a_mark_after_a_heartbeat_is_left_out_and_what_looked_like_one_is_not() {
        let after_heartbeat = || {
            let mut boundaries = Boundaries::new();
            boundaries.part();
            boundaries
        };
        assert_eq!(after_heartbeat().pass(b"\xEF\xBB\xBFdata").left_out, 3);

        let mut split = after_heartbeat();
        assert_eq!(split.pass(b"\xEF").left_out, 1);
        assert_eq!(split.pass(b"\xBB").left_out, 1);
        assert_eq!(split.pass(b"\xBF\n").left_out, 1);

        let mut text = after_heartbeat();
        assert_eq!(text.pass(b"\xEF\xBB").left_out, 2);
        let passage = text.pass(b"\xA0: x\n\n");
        assert_eq!((passage.before, passage.left_out), (&MARK[..2], 0));
        // Elsewhere it is text.
        text.part();
        assert_eq!(text.pass(MARK), Default::default());
    }
}

//! Server-sent events (HTML Living Standard, section 9.2.6): bytes in, the data of each event out. No I/O.
//!
//! Lines end in LF, CR or CR LF; a byte order mark at the beginning is dropped. `event`, `id` and `retry` are passed over:
//! an event of the provider says in its data what it is, and nothing here connects again.

/// An event is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// What was read of a stream so far.
#[derive(Debug)]
pub(super) struct Lines {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The data of the event that has not ended yet: its lines, each with a line feed behind it.
    data: Vec<u8>,
    /// The last line ended in CR, so a line feed now belongs to it.
    is_after_cr: bool,
    is_at_start: bool,
    event_bytes_max: usize,
}

impl Lines {
    /// No event has more bytes than this, and neither has a line.
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Lines { line: Vec::new(), data: Vec::new(), is_after_cr: false, is_at_start: true, event_bytes_max }
    }

    /// Reads the next bytes, cut anywhere, and calls `event` with the data of each event that they end.
    ///
    /// # Errors
    /// When an event gets too long. The stream cannot be read any further then.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut event: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.is_after_cr) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + part.len() + self.data.len() > self.event_bytes_max {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            bytes = rest;
            if let Some((end, rest)) = rest.split_first() {
                self.is_after_cr = *end == b'\r';
                self.end_line(&mut event);
                bytes = rest;
            }
        }
        Ok(())
    }

    /// The stream has ended: what was not closed by an empty line counts as well.
    pub(super) fn finish(&mut self, mut event: impl FnMut(&[u8])) {
        self.end_line(&mut event);
        self.end_event(&mut event);
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8])) {
        let line = std::mem::take(&mut self.line);
        let marked = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.is_at_start);
        self.is_at_start = false;
        let text = marked.unwrap_or(&line);
        if text.is_empty() {
            self.end_event(event);
        } else if let Some(value) = data(text) {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
        self.line = line;
        self.line.clear();
    }

    fn end_event(&mut self, event: &mut impl FnMut(&[u8])) {
        if let Some((_, data)) = self.data.split_last() {
            event(data);
        }
        self.data.clear();
    }
}

/// The value of a `data` field. One space after the colon does not belong to it.
fn data(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(parts: &[&[u8]], event_bytes_max: usize) -> Result<Vec<String>, TooLong> {
        let (mut lines, mut events) = (Lines::new(event_bytes_max), Vec::new());
        for part in parts {
            lines.feed(part, |data| events.push(String::from_utf8_lossy(data).into_owned()))?;
        }
        lines.finish(|data| events.push(String::from_utf8_lossy(data).into_owned()));
        Ok(events)
    }

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        assert_eq!(read(&[text.as_bytes()], 1000).expect("short"), expect, "{text:?}");
        let single: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&single, 1000).expect("short"), expect, "one byte at a time: {text:?}");
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        check("", &[]);
        check("data: a\n\n", &["a"]);
        check("data:a\n\ndata:  b\n\n", &["a", " b"]);
        check("event: x\ndata: a\nid: 1\nretry: 5\n\n", &["a"]);
        check("data: a\ndata: b\n\n", &["a\nb"]);
        check("data\ndata\n\n", &["\n"]);
        check("data:\n\n", &[""]);
        check(": comment\n\ndatax: a\n\n data: b\n\n", &[]);
        check("\n\n\ndata: a\n\n\n\n", &["a"]);
        check("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", &["a", "b", "c"]);
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]);
        check("data: ü😀\n\n", &["ü😀"]);
    }

    #[test]
    fn what_stands_at_the_end_counts_without_an_empty_line() {
        check("data: a\n\ndata: b\n", &["a", "b"]);
        check("data: a\n\ndata: b", &["a", "b"]);
        check("data: a\r", &["a"]);
        check("data: a\n\n: b", &["a"]);
    }

    #[test]
    fn events_are_bounded() {
        assert_eq!(read(&[b"data: 1234\n\n"], 10), Ok(vec!["1234".to_owned()]));
        assert_eq!(read(&[b"data: 12345"], 10), Err(TooLong));
        assert_eq!(read(&[b"data: 12\ndata: 12"], 10), Err(TooLong));
        assert_eq!(read([b"data:1\n\n".as_slice(); 100].as_slice(), 10).map(|events| events.len()), Ok(100));
        assert_eq!(read(&[b": long enough without an end".as_slice()], 10), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            text in r"((data: ?|: |event: |)[a-zä😀]{0,4}(\n|\r|\r\n)){0,12}",
            cuts in proptest::collection::vec(0..200_usize, 0..20),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&parts, 1000), read(&[bytes], 1000));
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let single: Vec<_> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&single, 50), read(&[&bytes], 50));
        }
    }
}

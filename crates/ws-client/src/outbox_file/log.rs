//! Lines with checksums, appended to a medium. Knows nothing of what the lines mean.
//!
//! ```text
//! ws-client outbox 1
//! 1f8a2c90 {"put":{"msg_id":"…", …}}
//! 77d0b1e3 {"remove":"…"}
//! ```
//!
//! A line counts if it is whole and its checksum is right. What follows the last line that counts was being written
//! when the process or the machine died: it is cut off. A bad line before that is damage from outside.
//!
//! **After an error nothing is half there.** What was written of a failed batch is cut off again; if that fails too, or
//! a sync failed (nobody knows what a disk has after that), the next write replaces the whole file.

use std::io;

use super::checksum::crc32c;
use super::medium::{Medium, NotReplaced};

/// The first line. Another layout is another number.
const HEADER: &[u8] = b"ws-client outbox 1\n";

/// Checksum in hexadecimal, and a space.
const PREFIX_BYTES: usize = 9;

pub(super) struct Log<M> {
    medium: M,
    /// Length of what counts.
    len: u64,
    /// What the medium has behind `len`, or whether it has what was written, is not known.
    is_in_doubt: bool,
    is_synced: bool,
}

/// What a log has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Lines {
    /// Those that count, in order.
    pub(super) lines: Vec<Vec<u8>>,
    /// How many bad ones are between them.
    pub(super) damaged: usize,
}

impl<M: Medium> Log<M> {
    /// Reads it, and cuts off what does not count.
    ///
    /// # Errors
    /// `InvalidData` if this is no outbox, or one of a later version. Otherwise what the medium says.
    pub(super) fn open(mut medium: M) -> io::Result<(Self, Lines)> {
        let bytes = medium.read()?;
        let is_new = HEADER.starts_with(&bytes[..bytes.len().min(HEADER.len())]) && bytes.len() < HEADER.len();
        if is_new {
            // Nothing, or a header that was being written.
            medium.truncate(0)?;
            medium.append(HEADER)?;
            medium.sync()?;
            return Ok((
                Log { medium, len: HEADER.len() as u64, is_in_doubt: false, is_synced: true },
                Lines::default(),
            ));
        }
        let Some(body) = bytes.strip_prefix(HEADER) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file is no outbox of this version of ws-client",
            ));
        };
        let (lines, counted) = parse(body);
        let len = (HEADER.len() + counted) as u64;
        if len < bytes.len() as u64 {
            medium.truncate(len)?;
            medium.sync()?;
        }
        Ok((Log { medium, len, is_in_doubt: false, is_synced: true }, lines))
    }

    /// Bytes on the medium.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether the next write has to be [`Log::replace`].
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// Appends all of these lines (see [`line`]) or none; synced, if that is asked for, with all lines before them.
    pub(super) fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        self.is_synced &= lines.is_empty();
        let written = self.medium.append(lines).and_then(|()| if sync { self.sync() } else { Ok(()) });
        match written {
            Ok(()) => self.len += lines.len() as u64,
            Err(_) => self.is_in_doubt |= self.medium.truncate(self.len).is_err(),
        }
        written
    }

    /// Syncs what has been appended without.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced {
            self.is_in_doubt = true;
            self.medium.sync()?;
            (self.is_in_doubt, self.is_synced) = (false, true);
        }
        Ok(())
    }

    /// Replaces everything by these lines, synced.
    pub(super) fn replace(&mut self, lines: &[u8]) -> io::Result<()> {
        let bytes = [HEADER, lines].concat();
        match self.medium.replace(&bytes) {
            Ok(()) => {
                (self.len, self.is_in_doubt, self.is_synced) = (bytes.len() as u64, false, true);
                Ok(())
            }
            Err(NotReplaced { error, is_in_doubt }) => {
                self.is_in_doubt |= is_in_doubt;
                Err(error)
            }
        }
    }
}

/// Adds a line to a buffer. JSON has no line breaks of its own.
pub(super) fn line(to: &mut Vec<u8>, json: &[u8]) {
    to.extend_from_slice(format!("{:08x} ", crc32c(json)).as_bytes());
    to.extend_from_slice(json);
    to.push(b'\n');
}

/// The lines of a body, and the length of it that counts.
fn parse(body: &[u8]) -> (Lines, usize) {
    let (mut lines, mut at, mut counted, mut bad) = (Lines::default(), 0, 0, 0);
    while let Some(len) = body[at..].iter().position(|byte| *byte == b'\n') {
        let line = &body[at..at + len];
        at += len + 1;
        match content(line) {
            Some(json) => {
                lines.lines.push(json.to_vec());
                lines.damaged += bad;
                (counted, bad) = (at, 0);
            }
            None => bad += 1,
        }
    }
    (lines, counted)
}

fn content(line: &[u8]) -> Option<&[u8]> {
    let (prefix, json) = line.split_at_checked(PREFIX_BYTES)?;
    let checksum = std::str::from_utf8(prefix.strip_suffix(b" ")?).ok()?;
    (u32::from_str_radix(checksum, 16).ok()? == crc32c(json)).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &[&str]) -> Vec<u8> {
        let mut body = Vec::new();
        lines.iter().for_each(|json| line(&mut body, json.as_bytes()));
        body
    }

    #[test]
    fn a_torn_end_is_cut_off_and_damage_is_counted() {
        let check = |bytes: &[u8], lines: &[&str], damaged: usize, counted: usize| {
            let (found, len) = parse(bytes);
            let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            assert_eq!((found, len), (Lines { lines, damaged }, counted), "{}", String::from_utf8_lossy(bytes));
        };
        let whole = body(&["1", "\"two\""]);
        let first = body(&["1"]).len();
        check(&whole, &["1", "\"two\""], 0, whole.len());
        for len in 0..whole.len() {
            let lines: &[&str] = if len < first { &[] } else { &["1"] };
            check(&whole[..len], lines, 0, if len < first { 0 } else { first });
        }
        let mut zeros = whole.clone();
        zeros.extend([0; 100]);
        check(&zeros, &["1", "\"two\""], 0, whole.len());
        zeros.push(b'\n');
        check(&zeros, &["1", "\"two\""], 0, whole.len());
        let mut damaged = whole.clone();
        damaged[PREFIX_BYTES] = b'7';
        check(&damaged, &["\"two\""], 1, whole.len());
        let mut damaged = whole.clone();
        damaged[whole.len() - 2] = b'x';
        check(&damaged, &["1"], 0, first);
        check(b"\n\n", &[], 0, 0);
    }
}

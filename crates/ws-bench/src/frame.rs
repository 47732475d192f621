//! WebSocket frames (RFC 6455, section 5) as a client sees them, without any I/O.
//!
//! Bytes go in with [`Decoder::feed`] as they arrive, in pieces of any size; whole messages and control frames come
//! out as slices of those bytes. Only an incomplete frame at the end of a read, and the parts of a fragmented message,
//! are copied. Not here: extensions, UTF-8 checks.

use std::ops::Range;

/// A longer message from the server ends the connection, so that it cannot fill the memory of the client.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// How the server violated RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a masked frame")]
    Masked,
    #[error("a frame with reserved bits or an unknown or binary opcode")]
    Unexpected,
    #[error("a control frame that is fragmented or too long")]
    Control,
    #[error("a message over {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
}

/// A message or control frame; the slices live as long as the bytes that were fed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Close { code: Option<u16>, reason: &'a [u8] },
}

/// The head of one frame, and the range of its payload.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    last: bool,
    opcode: u8,
    payload: Range<usize>,
}

impl Head {
    /// `None` until the frame is complete.
    fn read(bytes: &[u8]) -> Result<Option<Head>, FrameError> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        let (start, length) = match (second, &bytes[2..]) {
            (126, &[a, b, ..]) => (4, u64::from(u16::from_be_bytes([a, b]))),
            (127, &[a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            (126 | 127, _) => return Ok(None),
            (short, _) => (2, u64::from(short)),
        };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        match (first & 0x70, opcode) {
            (0, CONTINUATION | TEXT) => {}
            (0, CLOSE | PING | PONG) if last && length <= 125 => {}
            (0, CLOSE | PING | PONG) => return Err(FrameError::Control),
            _ => return Err(FrameError::Unexpected),
        }
        if length > MESSAGE_BYTES_MAX as u64 {
            return Err(FrameError::TooLong);
        }
        let end = start + length as usize;
        Ok((bytes.len() >= end).then_some(Head { last, opcode, payload: start..end }))
    }
}

/// Turns the bytes of one connection into events.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// An incomplete frame at the end of what was fed.
    rest: Vec<u8>,
    /// The parts of a fragmented message so far.
    parts: Option<Vec<u8>>,
}

impl Decoder {
    /// Passes to `sink` every event that these bytes complete. After an error the connection cannot be used any more.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameError> {
        if self.rest.is_empty() {
            let used = self.whole_frames(bytes, sink)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let used = self.whole_frames(&rest, sink)?;
        if used < rest.len() {
            rest.drain(..used);
            self.rest = rest;
        }
        Ok(())
    }

    /// Returns how many bytes were used.
    fn whole_frames(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(head) = Head::read(&bytes[used..])? {
            let end = used + head.payload.end;
            let payload = &bytes[used + head.payload.start..end];
            self.frame(&head, payload, sink)?;
            used = end;
        }
        Ok(used)
    }

    #[inline]
    fn frame(&mut self, head: &Head, payload: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameError> {
        match head.opcode {
            TEXT if head.last && self.parts.is_none() => sink(Event::Text(payload)),
            TEXT | CONTINUATION => return self.fragment(head, payload, sink),
            PING => sink(Event::Ping(payload)),
            CLOSE => sink(close(payload)),
            _ => {}
        }
        Ok(())
    }

    fn fragment(&mut self, head: &Head, payload: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), FrameError> {
        let mut parts = match (head.opcode, self.parts.take()) {
            (TEXT, None) => Vec::new(),
            (CONTINUATION, Some(parts)) => parts,
            _ => return Err(FrameError::Unexpected),
        };
        if parts.len() + payload.len() > MESSAGE_BYTES_MAX {
            return Err(FrameError::TooLong);
        }
        parts.extend_from_slice(payload);
        if head.last {
            sink(Event::Text(&parts));
        } else {
            self.parts = Some(parts);
        }
        Ok(())
    }
}

fn close(payload: &[u8]) -> Event<'_> {
    match payload {
        &[a, b, ref reason @ ..] => Event::Close { code: Some(u16::from_be_bytes([a, b])), reason },
        _ => Event::Close { code: None, reason: &[] },
    }
}

/// Appends the head of a client frame. The masking key is zero, so the payload follows unchanged.
fn head(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(0x80 | opcode);
    match length {
        0..=125 => out.push(0x80 | length as u8),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
}

/// Appends a text frame.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    head(out, TEXT, text.len());
    out.extend_from_slice(text);
}

/// Appends the answer to a Ping.
pub(crate) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    head(out, PONG, payload.len());
    out.extend_from_slice(payload);
}

/// A Close frame with code 1000.
pub(crate) const CLOSE_NORMAL: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            n @ 0..=125 => bytes.push(n as u8),
            n @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(n as u16).to_be_bytes());
            }
            n => {
                bytes.push(127);
                bytes.extend_from_slice(&(n as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    fn describe(event: Event<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match event {
            Event::Text(t) if t.len() > 20 => format!("text of {}", t.len()),
            Event::Text(t) => format!("text {}", text(t)),
            Event::Ping(p) => format!("ping {}", text(p)),
            Event::Close { code, reason } => format!("close {code:?} {}", text(reason)),
        }
    }

    fn decode(pieces: &[&[u8]]) -> Result<Vec<String>, FrameError> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut |event| events.push(describe(event)))?;
        }
        assert!(decoder.rest.is_empty() && decoder.parts.is_none());
        Ok(events)
    }

    /// Everything that a stream may hold: short, 16-bit and 64-bit lengths, fragments with control frames between.
    fn stream() -> (Vec<u8>, Vec<&'static str>) {
        let bytes = [
            frame(0x81, b"a"),
            frame(0x81, &[b'x'; 125]),
            frame(0x81, &[b'x'; 126]),
            frame(0x81, &vec![b'x'; 65_536]),
            frame(0x01, b"one "),
            frame(0x89, b"are you there"),
            frame(0x00, b"two "),
            frame(0x8a, b""),
            frame(0x80, b"three"),
            frame(0x81, b""),
            frame(0x88, b"\x0f\xa1too slow"),
        ]
        .concat();
        let events = vec![
            "text a",
            "text of 125",
            "text of 126",
            "text of 65536",
            "ping are you there",
            "text one two three",
            "text ",
            "close Some(4001) too slow",
        ];
        (bytes, events)
    }

    #[test]
    fn a_stream_cut_in_two_at_any_byte_reads_the_same() {
        let (bytes, events) = stream();
        let plain = 65_536 - 40; // inside the long frame every cut is like every other
        let long = 2 + 1 + 2 + 125 + 4 + 126 + 10;
        for cut in (0..bytes.len()).filter(|cut| !(long + 20..long + plain).contains(cut)) {
            assert_eq!(
                decode(&[&bytes[..cut], &bytes[cut..]]).as_deref(),
                Ok(&events.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()[..]),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_stream_that_arrives_byte_by_byte_reads_the_same() {
        let (bytes, events) = stream();
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&pieces).expect("events"), events);
    }

    #[test]
    fn a_close_frame_may_be_empty() {
        assert_eq!(decode(&[&[0x88, 0]]).expect("events"), ["close None "]);
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        let refused = |bytes: &[u8]| decode(&[bytes]).expect_err("refused");
        assert_eq!(refused(&[0x81, 0x80, 0, 0, 0, 0]), FrameError::Masked);
        assert_eq!(refused(&[0xc1, 0]), FrameError::Unexpected);
        assert_eq!(refused(&frame(0x82, b"binary")), FrameError::Unexpected);
        assert_eq!(refused(&frame(0x80, b"continues nothing")), FrameError::Unexpected);
        assert_eq!(refused(&[frame(0x01, b"a"), frame(0x81, b"b")].concat()), FrameError::Unexpected);
        assert_eq!(refused(&frame(0x09, b"")), FrameError::Control);
        assert_eq!(refused(&frame(0x89, &[0; 126])), FrameError::Control);
        assert_eq!(refused(&[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]), FrameError::TooLong);
    }

    #[test]
    fn our_own_frames_are_masked_with_zero() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let mut out = Vec::new();
            text(&mut out, &vec![b'x'; length]);
            let (form, bytes) = match length {
                0..=125 => (length as u8, 2),
                126..=65_535 => (126, 4),
                _ => (127, 10),
            };
            assert_eq!(out[..2], [0x81, 0x80 | form]);
            assert_eq!(out[bytes..bytes + 4], [0; 4]);
            assert_eq!(out.len(), bytes + 4 + length);
        }
    }
}

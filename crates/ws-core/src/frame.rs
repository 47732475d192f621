//! WebSocket frames as a server sends them: final and unmasked, so one encoding serves every reader (RFC 6455, 5.2).

/// The kind of a frame (RFC 6455, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// UTF-8 text.
    Text = 0x1,
    /// Any bytes.
    Binary = 0x2,
    /// Asks for a pong.
    Ping = 0x9,
}

const FINAL: u8 = 0x80;
const LENGTH_U16: u8 = 126;
const LENGTH_U64: u8 = 127;

/// An empty ping.
pub const PING: [u8; 2] = [FINAL | Opcode::Ping as u8, 0];

/// Appends one frame whose payload is what `write` appends.
pub fn append(opcode: Opcode, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[FINAL | opcode as u8, 0]);
    write(out);
    let len = out.len() - start - 2;
    if len < usize::from(LENGTH_U16) {
        out[start + 1] = len as u8;
    } else if let Ok(len) = u16::try_from(len) {
        out[start + 1] = LENGTH_U16;
        insert(out, start + 2, len.to_be_bytes());
    } else {
        out[start + 1] = LENGTH_U64;
        insert(out, start + 2, (len as u64).to_be_bytes());
    }
}

/// The payloads of whole frames.
pub(crate) fn payloads(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (header, len): (usize, usize) = match *frames.get(1)? {
            LENGTH_U16 => (4, u16::from_be_bytes(*frames[2..].first_chunk()?).into()),
            LENGTH_U64 => (10, usize::try_from(u64::from_be_bytes(*frames[2..].first_chunk()?)).ok()?),
            len => (2, usize::from(len)),
        };
        let (frame, rest) = frames.split_at_checked(header.checked_add(len)?)?;
        frames = rest;
        Some(&frame[header..])
    })
}

/// The length is known only after the payload was written, so a longer length field moves the payload by a few bytes.
fn insert<const N: usize>(out: &mut Vec<u8>, at: usize, bytes: [u8; N]) {
    let end = out.len();
    out.resize(end + N, 0);
    out.copy_within(at..end, at + N);
    out[at..at + N].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_those_of_the_frames() {
        let lengths = [0, 3, 125, 126, 65_535, 65_536, 1];
        let mut out = Vec::new();
        lengths.iter().for_each(|len| append(Opcode::Text, &mut out, |out| out.resize(out.len() + len, 7)));
        assert!(payloads(&out).map(<[u8]>::len).eq(lengths));
        for cut in [1, 2, 3, 4] {
            assert!(payloads(&out[..out.len() - cut]).count() < lengths.len(), "what is cut off is left out");
        }
        assert_eq!(payloads(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, 0]).count(), 0);
    }

    #[test]
    fn each_length_has_its_shortest_form() {
        let check = |len: usize, header: &[u8]| {
            let mut out = vec![7, 7];
            append(Opcode::Text, &mut out, |out| out.extend((0..len).map(|i| i as u8)));
            assert_eq!(&out[..2 + header.len()], &[&[7, 7], header].concat());
            assert!(out[2 + header.len()..].iter().copied().eq((0..len).map(|i| i as u8)));
        };
        check(0, &[0x81, 0]);
        check(125, &[0x81, 125]);
        check(126, &[0x81, 126, 0, 126]);
        check(65_535, &[0x81, 126, 255, 255]);
        check(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}

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

pub(crate) const TEXT: u8 = Opcode::Text as u8;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING_OPCODE: u8 = Opcode::Ping as u8;
pub(crate) const PONG: u8 = 0xa;

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

/// The opcode and the payload of each of these whole frames.
pub(crate) fn split(frames: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let (first, length) = (*rest.first()?, *rest.get(1)?);
        let (len, start) = match length {
            LENGTH_U16 => (usize::from(u16::from_be_bytes(*rest.get(2..)?.first_chunk()?)), 4),
            LENGTH_U64 => (usize::try_from(u64::from_be_bytes(*rest.get(2..)?.first_chunk()?)).ok()?, 10),
            _ => (usize::from(length), 2),
        };
        let payload = rest.get(start..)?.get(..len)?;
        rest = &rest[start + len..];
        Some((first & !FINAL, payload))
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
    fn frames_are_split_where_they_were_joined() {
        let mut frames = PING.to_vec();
        let lengths = [0, 125, 126, 65_535, 65_536];
        lengths.iter().for_each(|len| append(Opcode::Text, &mut frames, |out| out.resize(out.len() + len, b'x')));
        let found: Vec<_> = split(&frames).map(|(opcode, payload)| (opcode, payload.len())).collect();
        let texts = lengths.map(|len| (TEXT, len));
        assert_eq!(found, [&[(PING_OPCODE, 0)], &texts[..]].concat());
        assert_eq!(split(&frames[..frames.len() - 1]).count(), lengths.len(), "not what is incomplete");
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

//! Parses WebSocket frames from a server's bytes, as a client does (RFC 6455, section 5.2).

/// The whole frames at the beginning of `bytes`, with opcode and payload, and how many bytes they are in total.
///
/// # Panics
/// If the bytes are not a frame of a server that does not fragment: final, unmasked, no reserved bit, in the shortest
/// form.
pub fn frames(bytes: &[u8]) -> (Vec<(u8, &[u8])>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((header, len)) = header(&bytes[at..])
        && bytes.len() - at >= header + len
    {
        frames.push((bytes[at] & 0x0f, &bytes[at + header..at + header + len]));
        at += header + len;
    }
    (frames, at)
}

/// Lengths of the header and of the payload, once the header is complete.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    assert!([0x81, 0x88, 0x89, 0x8a].contains(&first), "first byte {first:#x}: frames are cut");
    let (header, len, min) = match bytes.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 126),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 1 << 16),
        len => (2, u64::from(*len), 0),
    };
    assert!(len >= min && len < 1 << 32, "a length of {len} in {header} bytes");
    assert!(first == 0x81 || len < 126, "a control frame of {len} bytes");
    Some((header, usize::try_from(len).ok()?))
}

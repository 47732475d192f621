//! Where the bytes of a stream are cut: each piece is a chunk of its own (RFC 9112, section 7.1).

use crate::fault_proxy::Rng;

/// A way to cut bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Split {
    /// Each event in one piece.
    #[default]
    Events,
    /// Pieces of this many bytes, the last one of an event shorter.
    Bytes(usize),
    /// Pieces of 1 to 40 bytes, drawn from this seed.
    Random(u64),
    /// As many events as come without a wait between them in one piece.
    Joined,
}

impl Split {
    /// The pieces of what is sent without a wait in between: the bytes of some events.
    pub(super) fn pieces(self, events: &[Vec<u8>]) -> Vec<Vec<u8>> {
        match self {
            Split::Events => events.to_vec(),
            Split::Bytes(len) => events.iter().flat_map(|event| event.chunks(len.max(1))).map(<[u8]>::to_vec).collect(),
            Split::Joined => vec![events.concat()],
            Split::Random(seed) => {
                let (bytes, mut rng) = (events.concat(), Rng::new(seed, 0));
                let (mut pieces, mut rest) = (Vec::new(), bytes.as_slice());
                while !rest.is_empty() {
                    let len = (rng.range(1..=40) as usize).min(rest.len());
                    pieces.push(rest[..len].to_vec());
                    rest = &rest[len..];
                }
                pieces
            }
        }
    }
}

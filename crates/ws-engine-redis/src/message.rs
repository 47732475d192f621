//! What the scripts and the servers of a cluster tell each other, as bytes. The same layouts are in `scripts/`.

use std::ops::Range;
use std::sync::Arc;

use ws_core::engine::Epoch;

use crate::bytes::Bytes;
use crate::member::Changed;

/// Identifies a server, until it ends.
pub(crate) type Node = [u8; 8];

/// Length of a meta.
const META_BYTES: usize = 104;

/// Before the body of a record: when it was stored, where its data begins, and the length of that.
const RECORD_HEAD_BYTES: usize = 16;

/// Where the stream of a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The epoch's number, before the generation changes it.
    pub(crate) e: u64,
    /// The generation.
    pub(crate) g: u64,
    /// The generation before that.
    pub(crate) before: u64,
    pub(crate) top: u64,
    /// The top when the generation began: what survived.
    pub(crate) base: u64,
    pub(crate) oldest: u64,
}

/// What is told about a channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Published(Published),
    /// All publications were removed; the new epoch.
    Removed {
        e: u64,
        g: u64,
    },
    /// A publication that is not retained.
    Passed {
        node: Node,
        sequence: u64,
        tag: u64,
        body: Arc<[u8]>,
    },
    /// A server has passed on publications that were not told here.
    Missed {
        node: Node,
    },
    /// Who is in it has changed.
    Changed(Changed),
}

/// Publications without a hole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) e: u64,
    pub(crate) g: u64,
    /// Which server stored them.
    pub(crate) node: Node,
    /// Offset of the first.
    pub(crate) first: u64,
    /// Tag and body of each.
    pub(crate) all: Vec<(u64, Arc<[u8]>)>,
}

/// The epoch of a stream: it changes with the generation of its partition, without being written.
pub(crate) fn epoch(e: u64, g: u64) -> Epoch {
    Epoch::from_u64(e ^ g)
}

/// A record, without the time at which it will be stored.
pub(crate) fn record(body: &[u8], data: &Range<usize>) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_HEAD_BYTES + body.len());
    record.extend_from_slice(&[0; 8]);
    record.extend_from_slice(&(data.start as u32).to_be_bytes());
    record.extend_from_slice(&(data.len() as u32).to_be_bytes());
    record.extend_from_slice(body);
    record
}

/// The body of a record.
pub(crate) fn body(record: &[u8]) -> Option<Arc<[u8]>> {
    record.get(RECORD_HEAD_BYTES..).map(Arc::from)
}

/// A publication that is not retained, as it is told.
pub(crate) fn passed(node: &Node, sequence: u64, tag: u64, body: &[u8]) -> Vec<u8> {
    [b"V", &node[..], &sequence.to_be_bytes(), &tag.to_be_bytes(), body].concat()
}

/// That a server has passed on publications elsewhere, as it is told.
pub(crate) fn missed(node: &Node) -> Vec<u8> {
    [b"M", &node[..]].concat()
}

/// That a server has passed on publications elsewhere, in any channels, as all nodes are told.
pub(crate) fn missed_in_all(node: &Node) -> Vec<u8> {
    [b"L", &node[..]].concat()
}

impl Position {
    /// From a meta, and the oldest retained offset after it.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (meta, oldest) = bytes.split_at_checked(META_BYTES)?;
        Position::of(meta, oldest)
    }

    pub(crate) fn of(meta: &[u8], oldest: &[u8]) -> Option<Self> {
        let mut meta = Bytes(meta);
        let (e, g, before) = (meta.u64()?, meta.u64()?, meta.u64()?);
        let (top, base) = (meta.u64()?, meta.u64()?);
        Some(Position { e, g, before, top, base, oldest: Bytes(oldest).u64()? })
    }

    pub(crate) fn epoch(&self) -> Epoch {
        epoch(self.e, self.g)
    }
}

impl Message {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let mut rest = Bytes(rest);
        Some(match kind {
            b'P' => {
                let (e, g, node, first, n) = (rest.u64()?, rest.u64()?, rest.array()?, rest.u64()?, rest.u16()?);
                let all = (0..n).map(|_| {
                    let (length, tag) = (rest.u32()?, rest.u64()?);
                    Some((tag, body(rest.take(length as usize)?)?))
                });
                let all = all.collect::<Option<_>>()?;
                Message::Published(Published { e, g, node, first, all })
            }
            b'R' => Message::Removed { e: rest.u64()?, g: rest.u64()? },
            b'V' => {
                let (node, sequence, tag) = (rest.array()?, rest.u64()?, rest.u64()?);
                Message::Passed { node, sequence, tag, body: rest.0.into() }
            }
            b'M' => Message::Missed { node: rest.array()? },
            b'C' => Message::Changed(Changed::parse(rest)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_no_message() {
        let record = record(b"\"data\":1}", &(7..8));
        let mut published = [b"P", &[0; 24][..], &7_u64.to_be_bytes(), &1_u16.to_be_bytes()].concat();
        published.extend_from_slice(&(record.len() as u32).to_be_bytes());
        published.extend_from_slice(&9_u64.to_be_bytes());
        published.extend_from_slice(&record);
        let all = vec![(9, b"\"data\":1}"[..].into())];
        let expect = Published { e: 0, g: 0, node: [0; 8], first: 7, all };
        assert_eq!(Message::parse(&published), Some(Message::Published(expect)));
        for cut in 0..published.len() {
            assert_eq!(Message::parse(&published[..cut]), None, "{cut}");
        }
        assert_eq!(Message::parse(b"X"), None);
        assert_eq!(Position::parse(&[0; META_BYTES]), None);
    }

    #[test]
    fn what_is_passed_on_comes_back() {
        let message = passed(b"12345678", 5, 6, b"body");
        let body = b"body"[..].into();
        assert_eq!(Message::parse(&message), Some(Message::Passed { node: *b"12345678", sequence: 5, tag: 6, body }));
    }
}

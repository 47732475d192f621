//! Members of a presence as bytes, in the store and as they are told. The same layouts are in `scripts/cluster.lua`.

use uuid::Uuid;
use ws_core::engine::cluster::{Change, Counts, Member};

use crate::bytes::Bytes;

/// Who has come or gone, and how many there are then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) counts: Counts,
    pub(crate) all: Vec<Change>,
}

/// Connection, length of the user + 1 (0: anonymous), user, client.
pub(crate) fn encode(member: &Member) -> Vec<u8> {
    let user = member.user.as_deref().unwrap_or_default().as_bytes();
    let length = member.user.as_ref().map_or(0, |user| user.len() as u16 + 1);
    [member.connection.as_bytes(), &length.to_be_bytes()[..], user, &member.client].concat()
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Member> {
    let mut bytes = Bytes(bytes);
    let (connection, length) = (Uuid::from_bytes(bytes.array()?), bytes.u16()?);
    let user = match length.checked_sub(1) {
        None => None,
        Some(length) => Some(std::str::from_utf8(bytes.take(length.into())?).ok()?.into()),
    };
    Some(Member { connection, user, client: bytes.0.to_vec() })
}

/// How many there are.
pub(crate) fn counts(bytes: &[u8]) -> Option<Counts> {
    let mut bytes = Bytes(bytes);
    Some(Counts { connections: bytes.u64()?, users: bytes.u64()? })
}

impl Changed {
    pub(crate) fn parse(mut bytes: Bytes<'_>) -> Option<Self> {
        let (counts, mut all) = (counts(bytes.take(16)?)?, Vec::new());
        while let Some([kind]) = bytes.array() {
            let mut member = || {
                let length = bytes.u32()?;
                parse(bytes.take(length as usize)?)
            };
            all.push(match kind {
                b'J' => Change::Joined(member()?),
                b'L' => Change::Left(member()?),
                _ => return None,
            });
        }
        Some(Changed { counts, all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: Option<&str>) -> Member {
        Member { connection: Uuid::from_u128(7), user: user.map(Into::into), client: b"{}".to_vec() }
    }

    #[test]
    fn members_come_back_as_they_were() {
        for user in [None, Some(""), Some("é")] {
            let encoded = encode(&member(user));
            assert_eq!(parse(&encoded), Some(member(user)));
            assert_eq!(parse(&encoded[..encoded.len() - 3]).map(|member| member.user), None, "{user:?}");
        }
    }

    #[test]
    fn what_is_cut_short_is_no_change() {
        let one = encode(&member(Some("u")));
        let length = (one.len() as u32).to_be_bytes();
        let bytes = [&3_u64.to_be_bytes()[..], &2_u64.to_be_bytes(), b"L", &length, &one].concat();
        let counts = Counts { connections: 3, users: 2 };
        let all = vec![Change::Left(member(Some("u")))];
        assert_eq!(Changed::parse(Bytes(&bytes)), Some(Changed { counts, all }));
        assert_eq!(Changed::parse(Bytes(&bytes[..bytes.len() - one.len()])), None);
    }
}

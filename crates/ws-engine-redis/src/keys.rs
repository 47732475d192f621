//! Which keys and topics there are. Each begins with the prefix and the tag of its partition in braces, so that everything
//! of a partition is in one slot of a Redis Cluster, wherever that is.

/// Slots of a Redis Cluster.
const SLOTS: usize = 16_384;

/// Names of keys and topics.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: Box<str>,
    tags: Box<[Box<str>]>,
}

impl Keys {
    pub(crate) fn new(prefix: &str, partitions: usize) -> Self {
        Keys { prefix: prefix.into(), tags: tags(partitions) }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.tags.len()
    }

    /// The partition of a channel.
    pub(crate) fn partition(&self, channel: &str) -> usize {
        (fnv1a(channel.as_bytes()) % self.tags.len() as u64) as usize
    }

    /// The generation of a partition.
    pub(crate) fn generation(&self, partition: usize) -> String {
        format!("{}:{{{}}}", self.prefix, self.tags[partition])
    }

    /// The meta of a channel.
    pub(crate) fn meta(&self, partition: usize, channel: &str) -> String {
        self.of(partition, "m", channel)
    }

    /// The publications of a channel.
    pub(crate) fn stream(&self, partition: usize, channel: &str) -> String {
        self.of(partition, "s", channel)
    }

    /// The ids of its publications.
    pub(crate) fn ids(&self, partition: usize, channel: &str) -> String {
        self.of(partition, "i", channel)
    }

    /// Where the publications of a channel are told.
    pub(crate) fn topic(&self, partition: usize, channel: &str) -> String {
        self.of(partition, "c", channel)
    }

    /// The channel of a topic.
    pub(crate) fn channel_of<'a>(&self, topic: &'a [u8]) -> Option<&'a str> {
        let rest = topic.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b":{")?;
        let end = rest.iter().position(|byte| *byte == b'}')?;
        std::str::from_utf8(rest[end..].strip_prefix(b"}:c:")?).ok()
    }

    /// Where a server hears itself.
    pub(crate) fn echo(&self, node: &str) -> String {
        self.of(0, "t", node)
    }

    /// When the leases of the nodes end. All scripts that need to know have this key, and it is one for all partitions as
    /// long as they are on one server of Redis.
    pub(crate) fn nodes(&self) -> String {
        self.of(0, "n", "leases")
    }

    /// How many connections the nodes have.
    pub(crate) fn connections(&self) -> String {
        self.of(0, "n", "connections")
    }

    /// Where a node is told something.
    pub(crate) fn node(&self, node: &str) -> String {
        self.of(0, "b", node)
    }

    /// Where all nodes are told something.
    pub(crate) fn all_nodes(&self) -> String {
        self.of(0, "b", "all")
    }

    /// What the other keys of the presence in a partition begin with.
    pub(crate) fn base(&self, partition: usize) -> String {
        format!("{}:{{{}}}:", self.prefix, self.tags[partition])
    }

    /// The nodes that have members in a channel.
    pub(crate) fn presence(&self, partition: usize, channel: &str) -> String {
        self.of(partition, "p", channel)
    }

    /// The channels in which a node has members.
    pub(crate) fn channels_of(&self, partition: usize, node: &str) -> String {
        self.of(partition, "x", node)
    }

    /// The users of a node.
    pub(crate) fn users_of(&self, partition: usize, node: &str) -> String {
        self.of(partition, "y", node)
    }

    /// The nodes of a user.
    pub(crate) fn user(&self, partition: usize, user: &str) -> String {
        self.of(partition, "u", user)
    }

    /// What is written so that replicas can be waited for.
    pub(crate) fn replicas(&self) -> String {
        self.of(0, "k", "replicas")
    }

    /// What the data was set up with. Without a tag: tags depend on it.
    pub(crate) fn setup(&self) -> String {
        format!("{}:setup", self.prefix)
    }

    /// A generation for a self-test.
    pub(crate) fn of_test(&self, node: &str) -> String {
        self.of(0, "test", node)
    }

    fn of(&self, partition: usize, kind: &str, name: &str) -> String {
        format!("{}:{{{}}}:{kind}:{name}", self.prefix, self.tags[partition])
    }
}

/// For each partition the first number in base 36 that falls into the slot in its middle: plain numbers of partitions
/// would be spread badly over the slots.
fn tags(partitions: usize) -> Box<[Box<str>]> {
    let mut of_slot = vec![usize::MAX; SLOTS];
    (0..partitions).for_each(|i| of_slot[(2 * i + 1) * SLOTS / (2 * partitions)] = i);
    let (mut tags, mut missing) = (vec![Box::<str>::from(""); partitions], partitions);
    for number in 0_u64.. {
        if missing == 0 {
            break;
        }
        let tag = base36(number);
        let partition = of_slot[usize::from(crc16(tag.as_bytes())) % SLOTS];
        if partition != usize::MAX && tags[partition].is_empty() {
            tags[partition] = tag.into();
            missing -= 1;
        }
    }
    tags.into()
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// CRC-16/XMODEM, as Redis Cluster uses it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn partitions_are_spread_evenly_over_the_slots() {
        for partitions in [1, 2, 64, 1000] {
            let slots: Vec<_> = tags(partitions).iter().map(|tag| usize::from(crc16(tag.as_bytes())) % SLOTS).collect();
            let middle = |i| (2 * i + 1) * SLOTS / (2 * partitions);
            assert_eq!(slots, (0..partitions).map(middle).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_topic_names_its_channel() {
        let keys = Keys::new("ws", 4);
        for channel in ["a", "a:b", "{a}:c:x", "é", "}"] {
            let topic = keys.topic(keys.partition(channel), channel);
            assert_eq!(keys.channel_of(topic.as_bytes()), Some(channel));
        }
        assert_eq!(keys.channel_of(keys.echo("a").as_bytes()), None);
        assert_eq!(keys.channel_of(b"other:{a}:c:x"), None);
    }
}

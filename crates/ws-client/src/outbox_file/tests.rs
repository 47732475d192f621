//! Crashes at every byte, full disks, and disks that fail: what the file then says.

use std::io;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;

use super::image::Image;
use super::medium::{Medium, NotReplaced};
use super::record::{Kept, Place, Record};
use super::store::{Durability, Store};

/// A disk of which tests decide when it fails. Clones are the same disk.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Content>>);

#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    /// What is there after a loss of power.
    synced: Vec<u8>,
    /// Total length that it has room for.
    room: Option<usize>,
    cannot_sync: bool,
    cannot_truncate: bool,
    replaced: usize,
}

impl Disk {
    fn with<T>(&self, look: impl FnOnce(&mut Content) -> T) -> T {
        look(&mut self.0.lock().expect("not poisoned"))
    }

    fn of(bytes: &[u8]) -> Self {
        let disk = Disk::default();
        disk.with(|content| content.bytes = bytes.to_vec());
        disk
    }

    fn bytes(&self) -> Vec<u8> {
        self.with(|content| content.bytes.clone())
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl Medium for Disk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|content| {
            let room = content.room.map_or(bytes.len(), |room| room.saturating_sub(content.bytes.len()));
            content.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if room < bytes.len() { Err(full()) } else { Ok(()) }
        })
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.with(|content| {
            if content.cannot_truncate {
                return Err(io::Error::other("truncate"));
            }
            content.bytes.truncate(len as usize);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|content| {
            if content.cannot_sync {
                return Err(io::Error::other("sync"));
            }
            content.synced = content.bytes.clone();
            Ok(())
        })
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), NotReplaced> {
        self.with(|content| {
            if content.room.is_some_and(|room| content.bytes.len() + bytes.len() > room) {
                return Err(NotReplaced { error: full(), is_in_doubt: false });
            }
            if content.cannot_sync {
                return Err(NotReplaced { error: io::Error::other("sync"), is_in_doubt: false });
            }
            content.bytes = bytes.to_vec();
            content.synced = bytes.to_vec();
            content.replaced += 1;
            Ok(())
        })
    }
}

/// So small that files are rewritten all the time.
const REWRITE_BYTES: u64 = 600;

fn open(disk: &Disk) -> Store<Disk> {
    let (store, damaged) = Store::open(disk.clone(), REWRITE_BYTES).expect("an outbox");
    assert_eq!(damaged, 0);
    store
}

/// What a process finds that starts with these bytes.
fn found(bytes: &[u8]) -> Image {
    open(&Disk::of(bytes)).image().clone()
}

fn record() -> impl Strategy<Value = Record> {
    let id = || (0..6u8).prop_map(|n| format!("id-{n}"));
    let owner = || prop_oneof![Just("ann"), Just("bob")].prop_map(str::to_owned);
    let text = "[a-z\\n\"é💬]{0,20}";
    let kept = (id(), owner(), text, proptest::option::of(0..9u64), 0..9u64).prop_map(
        |(msg_id, owner, text, first_sent, created)| {
            let data = serde_json::to_string(&text).expect("JSON");
            let tags = [("k".to_owned(), text)].into_iter().filter(|_| created % 2 == 0).collect();
            Kept { msg_id, channel: "c".into(), data, tags, created, first_sent, owner }
        },
    );
    let place = (owner(), 0..4u8, 0..99u64).prop_map(|(owner, channel, offset)| {
        Record::Place(Place { owner, channel: format!("c{channel}"), epoch: "e".into(), offset })
    });
    prop_oneof![
        4 => kept.prop_map(Record::Put),
        2 => (id(), proptest::option::of(0..9u64)).prop_map(|(msg_id, first_sent)| Record::Sent { msg_id, first_sent }),
        3 => id().prop_map(Record::Remove),
        2 => place,
    ]
}

/// The images after 0, 1, 2 … of these records.
fn images(from: &Image, records: &[Record]) -> Vec<Image> {
    let mut images = vec![from.clone()];
    for record in records {
        let mut image = images[images.len() - 1].clone();
        image.apply(record.clone());
        images.push(image);
    }
    images
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A process that is killed while it writes: the next one finds everything that was answered, then the first so
    /// many records of what was being written.
    #[test]
    fn a_crash_at_any_byte_leaves_a_prefix(changes in vec(vec(record(), 1..4), 1..25)) {
        let disk = Disk::default();
        let mut store = open(&disk);
        for records in changes {
            let (before, image) = (disk.bytes(), store.image().clone());
            store.change(records.clone(), Durability::Soon).expect("room");
            let after = disk.bytes();
            prop_assert!(found(&after) == *store.image(), "what is answered is there");
            if !after.starts_with(&before) {
                continue;
            }
            let prefixes = images(&image, &records);
            let mut done = 0;
            for len in before.len()..after.len() {
                done = after[before.len()..len].iter().filter(|byte| **byte == b'\n').count();
                prop_assert!(found(&after[..len]) == prefixes[done], "cut at {len}");
                let zeros = [&after[..len], &[0; 64]].concat();
                prop_assert!(found(&zeros) == prefixes[done], "cut at {len}, then zeros");
            }
            prop_assert_eq!(done + 1, records.len());
        }
    }

    /// Power that is lost: what was synced is there, and everything before it.
    #[test]
    fn what_is_synced_survives_the_loss_of_power(changes in vec((record(), any::<bool>()), 1..40)) {
        let disk = Disk::default();
        let mut store = open(&disk);
        let mut possible = vec![store.image().clone()];
        for (record, is_synced) in changes {
            store.change(vec![record], if is_synced { Durability::Synced } else { Durability::Soon }).expect("room");
            if is_synced {
                possible.clear();
            }
            possible.push(store.image().clone());
            let synced = disk.with(|content| content.synced.clone());
            prop_assert!(possible.contains(&found(&synced)));
        }
        store.sync().expect("possible");
        prop_assert!(found(&disk.with(|content| content.synced.clone())) == *store.image());
    }

    /// Disks that are full, or cannot sync or truncate, for a while: a change that fails does not count, one that is
    /// answered is there, and when the disk is well again, so is the outbox.
    #[test]
    fn failures_change_nothing(changes in vec((record(), 0..8u8, 0..80usize), 1..60)) {
        let disk = Disk::default();
        let mut store = open(&disk);
        let mut possible = vec![store.image().clone()];
        for (record, trouble, room) in changes {
            disk.with(|content| {
                content.room = (trouble & 1 != 0).then_some(content.bytes.len() + room);
                content.cannot_sync = trouble & 6 == 6;
                content.cannot_truncate = trouble & 5 == 5;
            });
            let before = store.image().clone();
            let result = store.change(vec![record.clone()], Durability::Synced);
            let after = images(&before, std::slice::from_ref(&record)).pop().expect("one");
            let there = found(&disk.bytes());
            if result.is_ok() {
                prop_assert!(*store.image() == after && there == after);
                possible = vec![after];
            } else {
                // For a process that starts now it may have happened; for this one it has not.
                possible.push(after);
                prop_assert!(*store.image() == before && possible.contains(&there));
            }
        }
        disk.with(|content| (content.room, content.cannot_sync, content.cannot_truncate) = (None, false, false));
        store.change(vec![Record::Remove("none".into())], Durability::Synced).expect("the disk is well");
        prop_assert!(found(&disk.bytes()) == *store.image());
        prop_assert!(found(&disk.with(|content| content.synced.clone())) == *store.image());
    }
}

fn put(n: u64) -> Record {
    let (msg_id, data) = (format!("id-{n}"), format!("\"{}\"", "x".repeat(50)));
    Record::Put(Kept {
        msg_id,
        channel: "c".into(),
        data,
        tags: Default::default(),
        created: n,
        first_sent: None,
        owner: "o".into(),
    })
}

#[test]
fn the_file_stays_short_and_on_a_full_disk_usable() {
    let disk = Disk::default();
    let mut store = open(&disk);
    for n in 0..1000 {
        store.change(vec![put(n)], Durability::Soon).expect("room");
        store.change(vec![Record::Remove(format!("id-{n}"))], Durability::Soon).expect("room");
        assert!(disk.bytes().len() as u64 <= REWRITE_BYTES);
    }
    assert!(disk.with(|content| content.replaced) > 100);
    // No room for a second file, and room for a line.
    disk.with(|content| content.room = Some(content.bytes.len() + REWRITE_BYTES as usize));
    for n in 0..4 {
        store.change(vec![put(n)], Durability::Soon).expect("room for a line");
    }
    assert!(found(&disk.bytes()) == *store.image());
}

#[test]
fn damage_is_skipped_and_counted_and_makes_entries_old() {
    let disk = Disk::default();
    let mut store = open(&disk);
    for n in 0..3 {
        store.change(vec![put(n)], Durability::Synced).expect("room");
    }
    let mut bytes = disk.bytes();
    let at = bytes.windows(4).position(|part| part == b"id-1").expect("the second entry");
    bytes[at] = b'!';
    let (store, damaged) = Store::open(Disk::of(&bytes), REWRITE_BYTES).expect("an outbox");
    assert_eq!(damaged, 1);
    let left: Vec<_> = store.image().entries().map(|entry| (entry.msg_id.as_str(), entry.first_sent)).collect();
    // A line that is lost may have said that they were sent.
    assert_eq!(left, [("id-0", Some(0)), ("id-2", Some(2))]);
}

#[test]
fn another_file_is_not_touched() {
    for bytes in ["{\"some\": \"file\"}\n", "ws-client outbox 2\n", "ws-client outbox 1"] {
        let disk = Disk::of(bytes.as_bytes());
        let opened = Store::open(disk.clone(), REWRITE_BYTES);
        match opened {
            // A header that was being written.
            Ok(_) => assert_eq!(bytes, "ws-client outbox 1"),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert_eq!(disk.bytes(), bytes.as_bytes());
            }
        }
    }
}

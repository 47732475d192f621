//! Crashes at every byte, full disks, and disks that fail: what the file then says. And the store as the client has it.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;

use super::image::Image;
use super::medium::{Medium, NotReplaced};
use super::record::{Change, Record};
use super::store::{Durability, Store};
use super::{FileStore, OutboxError};
use crate::entry::Entry;
use crate::position::Position;
use crate::store::{Batch, Saved, Store as _, StoreError};

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
    let some = |most: u64| proptest::option::of(0..most);
    let user = || proptest::option::of(prop_oneof![Just("ann"), Just("bob")].prop_map(str::to_owned));
    let text = "[a-z\\n\"é💬]{0,20}";
    let put = (id(), proptest::option::of(user()), text, some(9), 0..9u64);
    let put = put.prop_map(|(msg_id, user, text, first_sent, created)| {
        let data = serde_json::to_string(&text).expect("JSON");
        let tags = (created % 2 == 0).then(|| [("k".to_owned(), text)].into());
        Change::Put(Entry { msg_id, channel: "c".into(), data, tags, created, first_sent, max_age: 9, user })
    });
    let saved = (user(), 0..4u8, 0..99u64).prop_map(|(user, channel, offset)| {
        let position = Position { epoch: "e".into(), offset };
        Change::Position(Saved { user, channel: format!("c{channel}"), position })
    });
    let change = prop_oneof![
        4 => put,
        2 => (id(), some(9)).prop_map(|(msg_id, first_sent)| Change::Sent { msg_id, first_sent }),
        3 => id().prop_map(Change::Remove),
        2 => saved,
    ];
    let url = prop_oneof![3 => Just("ws://a/"), 1 => Just("ws://b/")];
    (url, change).prop_map(|(url, change)| Record { url: url.to_owned(), change })
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
            disk.with(|content| content.replaced = 0);
            store.change(records.clone(), Durability::Soon).expect("room");
            let after = disk.bytes();
            prop_assert!(found(&after) == *store.image(), "what is answered is there");
            if disk.with(|content| content.replaced) > 0 {
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
        store.change(vec![of(Change::Remove("none".into()))], Durability::Synced).expect("the disk is well");
        prop_assert!(found(&disk.bytes()) == *store.image());
        prop_assert!(found(&disk.with(|content| content.synced.clone())) == *store.image());
    }
}

fn entry(n: u64) -> Entry {
    let (msg_id, data) = (format!("id-{n}"), format!("\"{}\"", "x".repeat(50)));
    Entry { msg_id, channel: "c".into(), data, tags: None, created: n, first_sent: None, max_age: 1, user: None }
}

fn of(change: Change) -> Record {
    Record { url: "ws://a/".into(), change }
}

fn put(n: u64) -> Record {
    of(Change::Put(entry(n)))
}

#[test]
fn the_file_stays_short_and_on_a_full_disk_usable() {
    let disk = Disk::default();
    let mut store = open(&disk);
    for n in 0..1000 {
        store.change(vec![put(n)], Durability::Soon).expect("room");
        store.change(vec![of(Change::Remove(format!("id-{n}")))], Durability::Soon).expect("room");
        assert!(disk.bytes().len() as u64 <= REWRITE_BYTES);
    }
    assert!(disk.with(|content| content.replaced) > 100);
}

#[test]
fn a_full_disk_may_have_room_for_a_line() {
    let disk = Disk::default();
    let mut store = open(&disk);
    store.change((0..20).map(put).collect(), Durability::Soon).expect("room");
    let mut again = open(&disk);
    let entries = disk.bytes().len();
    // Until it is time for a new file, for which there is no room.
    disk.with(|content| (content.room, content.replaced) = (Some(5 * entries), 0));
    while disk.bytes().len() + entries / 4 < 5 * entries {
        again.change(vec![put(99)], Durability::Soon).expect("room for a line");
    }
    assert_eq!(disk.with(|content| content.replaced), 0);
    assert!(found(&disk.bytes()) == *again.image());
    disk.with(|content| content.room = None);
    again.change(vec![put(98)], Durability::Soon).expect("room");
    assert!(found(&disk.bytes()) == *again.image());
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
    let left: Vec<_> =
        store.image().entries("ws://a/").into_iter().map(|entry| (entry.msg_id, entry.first_sent)).collect();
    // A line that is lost may have said that they were sent.
    assert_eq!(left, [("id-0".to_owned(), Some(0)), ("id-2".to_owned(), Some(2))]);
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

fn batch(put: Vec<Entry>, remove: &[&str], positions: Vec<Saved>) -> Batch {
    Batch { put, remove: remove.iter().map(|id| (*id).to_owned()).collect(), positions }
}

fn saved(user: Option<&str>, offset: u64) -> Saved {
    Saved { user: user.map(str::to_owned), channel: "c".into(), position: Position { epoch: "e".into(), offset } }
}

async fn opened(store: &mut FileStore, url: &str) -> Result<Vec<Entry>, StoreError> {
    crate::store::Store::open(store, url).await
}

#[tokio::test]
async fn entries_and_positions_belong_to_a_url() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("outbox");
    let mut store = FileStore::open(&path).expect("it is free");
    assert_eq!(opened(&mut store, "ws://a/").await, Ok(vec![]));
    let sent = Entry { first_sent: Some(7), ..entry(1) };
    let anonymous = Entry { user: Some(None), tags: Some([("k".into(), "v".into())].into()), ..entry(3) };
    store.write(batch(vec![entry(1), entry(2)], &[], vec![saved(None, 1)])).await.expect("room");
    store
        .write(batch(vec![sent.clone(), anonymous.clone()], &["id-2"], vec![saved(Some("ann"), 2)]))
        .await
        .expect("room");
    let lines = std::fs::read_to_string(&path).expect("text");
    assert_eq!(lines.matches("xxx\"").count() + lines.matches("xxx\\\"").count(), 3, "data is written once: {lines}");
    assert!(matches!(FileStore::open(&path), Err(OutboxError::InUse { .. })));
    drop(store);

    let mut store = FileStore::open(&path).expect("it is free again");
    assert_eq!(store.damage(), None);
    assert_eq!(opened(&mut store, "ws://b/").await, Ok(vec![]));
    assert_eq!(store.position(None, "c").await, Ok(None));
    store.write(batch(vec![entry(1)], &["id-3"], vec![])).await.expect("room");
    assert_eq!(opened(&mut store, "ws://a/").await, Ok(vec![sent, anonymous]), "others are as they were");
    let offset = |found: Result<Option<Position>, StoreError>| found.expect("readable").map(|position| position.offset);
    assert_eq!(offset(store.position(None, "c").await), Some(1));
    assert_eq!(offset(store.position(Some("ann"), "c").await), Some(2));
    assert_eq!(offset(store.position(Some("bob"), "c").await), None);
}

#[tokio::test]
async fn a_damaged_file_is_kept_and_the_rest_is_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("outbox");
    let mut store = FileStore::open(&path).expect("it is free");
    opened(&mut store, "ws://a/").await.expect("readable");
    store.write(batch(vec![entry(1), entry(2)], &[], vec![])).await.expect("room");
    drop(store);
    let damaged = std::fs::read_to_string(&path).expect("text").replacen("id-1", "id-9", 1);
    std::fs::write(&path, &damaged).expect("room");
    let mut store = FileStore::open(&path).expect("it is an outbox");
    let said = store.damage().expect("it is damaged").to_owned();
    assert!(said.contains("1 lines") && said.contains("outbox.damaged"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("outbox.damaged")).expect("a copy"), damaged);
    let left = opened(&mut store, "ws://a/").await.expect("readable");
    assert_eq!(left, [Entry { first_sent: Some(2), ..entry(2) }]);
}

#[test]
fn what_is_no_outbox_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "not yours").expect("room");
    let error = FileStore::open(&path).expect_err("no outbox").to_string();
    assert!(error.contains("notes.txt") && error.contains("is no outbox"), "{error}");
    assert_eq!(std::fs::read(&path).expect("there"), b"not yours");
}

/// Not a test of its own: a process that writes until it is killed, and says what it was told to be kept.
#[tokio::test]
#[ignore = "run by a_killed_process_loses_nothing"]
async fn child_that_writes() {
    let path = std::env::var("OUTBOX").expect("a path");
    let mut store = FileStore::open(path.as_ref()).expect("the lock of the one before is gone");
    let left = opened(&mut store, "ws://a/").await.expect("readable");
    let mut next = left.last().map_or(0, |entry| entry.created + 1);
    println!("left {}", left.iter().map(|entry| entry.created.to_string()).collect::<Vec<_>>().join(","));
    loop {
        let over: Vec<_> = next.checked_sub(3).map(|n| format!("id-{n}")).into_iter().collect();
        let over: Vec<_> = over.iter().map(String::as_str).collect();
        store.write(batch(vec![entry(next)], &over, vec![saved(None, next)])).await.expect("room");
        println!("kept {next}");
        next += 1;
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    const KILLS: usize = 20;
    let dir = tempfile::tempdir().expect("a directory");
    let mut kept: Option<u64> = None;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("the tests"));
        child.args(["--exact", "outbox_file::tests::child_that_writes", "--ignored", "--nocapture"]);
        let mut child =
            child.env("OUTBOX", dir.path().join("outbox")).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
        let left = lines.find_map(|line| line.strip_prefix("left ").map(str::to_owned)).expect("it opens the outbox");
        let left: Vec<u64> = left.split(',').filter_map(|n| n.parse().ok()).collect();
        if let Some(kept) = kept {
            // What it was writing when it was killed may be there as well.
            let last = *left.last().expect("entries");
            assert!((kept..=kept + 1).contains(&last), "kept {kept}, found {left:?}");
            assert_eq!(left, (last.saturating_sub(2)..=last).collect::<Vec<_>>());
        }
        let told = |line: String| line.strip_prefix("kept ").map(|n| n.parse::<u64>().expect("a number"));
        kept = lines.by_ref().filter_map(told).nth(kill * 7 % 11).or(kept);
        child.kill().expect("it runs");
        child.wait().expect("a child of ours");
        kept = lines.filter_map(told).last().or(kept);
    }
    assert!(kept > Some(KILLS as u64), "{kept:?}");
}
